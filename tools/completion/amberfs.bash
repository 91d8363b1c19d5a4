# bash completion for amberfs(1).
_amberfs()
{
    local cur=${COMP_WORDS[COMP_CWORD]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W 'ls cat cp rm mkdir mv df mount mkfs fsck --help' -- "$cur"))
        return
    fi
    case $cur in
    -*) case ${COMP_WORDS[1]} in
        cp | rm) COMPREPLY=(-r) ;;
        mount) COMPREPLY=(-f) ;;
        esac ;;
    *) COMPREPLY=($(compgen -f -- "$cur")) ;;
    esac
}
complete -o filenames -F _amberfs amberfs
