// clear: an empty screen.
#include <unistd.h>

int main(void)
{
    static const char home_and_clear[] = "\033[H\033[2J";

    return write(STDOUT_FILENO, home_and_clear, sizeof(home_and_clear) - 1) < 0;
}
