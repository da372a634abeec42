#compdef ringmq-bridge

autoload -U is-at-least

_ringmq-bridge() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_ringmq-bridge_commands" \
"*::: :->ringmq-bridge" \
&& ret=0
    case $state in
    (ringmq-bridge)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-bridge-command-$line[1]:"
        case $line[1] in
            (run)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':file -- The configuration:_files' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':file -- The configuration:_files' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_ringmq-bridge__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-bridge-help-command-$line[1]:"
        case $line[1] in
            (run)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_ringmq-bridge_commands] )) ||
_ringmq-bridge_commands() {
    local commands; commands=(
'run:Run until a signal ends it' \
'check:Check a configuration, and say each fault with line and column' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'ringmq-bridge commands' commands "$@"
}
(( $+functions[_ringmq-bridge__subcmd__check_commands] )) ||
_ringmq-bridge__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq-bridge check commands' commands "$@"
}
(( $+functions[_ringmq-bridge__subcmd__help_commands] )) ||
_ringmq-bridge__subcmd__help_commands() {
    local commands; commands=(
'run:Run until a signal ends it' \
'check:Check a configuration, and say each fault with line and column' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'ringmq-bridge help commands' commands "$@"
}
(( $+functions[_ringmq-bridge__subcmd__help__subcmd__check_commands] )) ||
_ringmq-bridge__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq-bridge help check commands' commands "$@"
}
(( $+functions[_ringmq-bridge__subcmd__help__subcmd__help_commands] )) ||
_ringmq-bridge__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq-bridge help help commands' commands "$@"
}
(( $+functions[_ringmq-bridge__subcmd__help__subcmd__run_commands] )) ||
_ringmq-bridge__subcmd__help__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq-bridge help run commands' commands "$@"
}
(( $+functions[_ringmq-bridge__subcmd__run_commands] )) ||
_ringmq-bridge__subcmd__run_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq-bridge run commands' commands "$@"
}

if [ "$funcstack[1]" = "_ringmq-bridge" ]; then
    _ringmq-bridge "$@"
else
    compdef _ringmq-bridge ringmq-bridge
fi
