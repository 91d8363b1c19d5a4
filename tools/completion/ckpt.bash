# bash completion for ckpt(1).
_ckpt()
{
    local cur=${COMP_WORDS[COMP_CWORD]} command=${COMP_WORDS[1]}
    local view='--json --table --plain' options=
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W 'show log ps fds mem dump verify diff core gdb pack compact export import --help' -- "$cur"))
        return
    fi
    case ${COMP_WORDS[COMP_CWORD - 1]} in
    -e | --epoch | -p | --pid | -k | --keep) return ;;
    esac
    case $command in
    show | mem) options="--epoch --rescue $view" ;;
    log) options="--rescue $view" ;;
    ps) options="--epoch --symbols --rescue $view" ;;
    fds) options="--epoch --pid --rescue $view" ;;
    dump) options='--epoch --pid --symbols --rescue' ;;
    verify) options='--epoch --rescue --json --quiet' ;;
    diff) options='--pid --symbols --all --json --quiet' ;;
    core) options='--epoch --pid --output --force --quiet --rescue' ;;
    gdb) options='--epoch --pid --rescue' ;;
    pack | export) options='--epoch --keep --rescue --force --quiet' ;;
    compact) options='--epoch --keep --quiet' ;;
    import) options='--force --quiet' ;;
    esac
    case $cur in
    -*) COMPREPLY=($(compgen -W "$options --help" -- "$cur")) ;;
    *) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
}
complete -o filenames -F _ckpt ckpt
