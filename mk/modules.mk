# The modules of the kernel and of lib, with what each may include and call: only what is named here (and itself).
# The order of DESIGN: base < uapi < arch < kern < sched < mm < dev < fs < proc < ckpt < sys < init.

LIBS    := base fsfmt ckptfmt
MODULES := arch kern sched mm dev fs proc ckpt sys init

DEPS.base    :=
DEPS.fsfmt   := base
DEPS.ckptfmt := base
DEPS.arch    := base uapi
DEPS.kern    := base uapi arch
DEPS.sched   := base uapi arch kern
DEPS.mm      := base uapi arch kern sched
DEPS.dev     := base uapi arch kern sched mm
DEPS.fs      := base uapi arch kern sched mm dev fsfmt
DEPS.proc    := base uapi arch kern sched mm dev fs
DEPS.ckpt    := base uapi arch kern sched mm dev fs proc ckptfmt
DEPS.sys     := base uapi arch kern sched mm dev fs proc ckpt
DEPS.init    := base uapi arch kern sched mm dev fs proc ckpt sys
