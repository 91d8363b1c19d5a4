// sync: wait until all that was written is safe on the disk.
#include <unistd.h>

int main(void)
{
    sync();
    return 0;
}
