#compdef ringmq

autoload -U is-at-least

_ringmq() {
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
'*--listen=[Where to accept MQTT\: ADDR\:PORT, NAME\:PORT, PORT or unix\:PATH; may be given several times]:ADDRESS:_default' \
'--unix-mode=[Mode of the Unix sockets of --listen, in octal; it says who may connect]:MODE:_default' \
'--unix-owner=[Owner of the Unix sockets of --listen\: USER, USER\:GROUP or \:GROUP \[default\: the user that starts ringmq\]]:OWNER:_default' \
'*--proxy-trust=[Proxies that may connect to listeners with \`,proxy\`, as in 10.0.0.0/8; may be given several times]:CIDR:_default' \
'--user=[User that ringmq becomes once every address is bound]:NAME:_default' \
'--passwords=[Users and hashes of their passwords]:FILE:_files' \
'--acl=[What each user may publish and subscribe to, in Mosquitto'\''s syntax]:FILE:_files' \
'--vhosts=[Directory with a subdirectory for each vhost]:DIR:_files -/' \
'--default-vhost=[Vhost of clients whose user name is not VHOST\:USER; --passwords and --acl are for it]:NAME:_default' \
'--auth-failures-max=[Wrong passwords from one address within a minute; then its logins are refused. 0\: no limit]:N:_default' \
'--on-denied=[What happens to a message whose publisher may not publish to its topic]:WHAT:((drop\:"The message is acknowledged, dropped and counted"
disconnect\:"The publisher is disconnected"))' \
'--takeover=[Who may take over a client id that is in use, and its session]:WHO:((same-user\:"A client of the same user, or an anonymous client if the other is anonymous as well"
any\:"Any client of the vhost"))' \
'*--tls-listen=[Where to accept MQTT over TLS, usually port 8883; may be given several times]:ADDRESS:_default' \
'--tls-cert=[The server'\''s certificate, then those of its issuers, as PEM]:FILE:_files' \
'--tls-key=[The private key of --tls-cert, as PEM without a password]:FILE:_files' \
'--tls-min=[The oldest version of TLS to accept]:VERSION:((1.2\:"TLS 1.2 and 1.3"
1.3\:"TLS 1.3 only"))' \
'*--tls-sni=[Certificate and key for clients that ask for this host; may be given several times]:HOST=CERT,KEY:_default' \
'--tls-client-ca=[Certificates of the issuers of client certificates, as PEM]:FILE:_files' \
'--tls-client=[Whether clients must show a certificate of an issuer in --tls-client-ca]:WHETHER:((required\:"A client without a certificate is refused"
optional\:"A client without a certificate may connect; a certificate that is shown must be good"))' \
'--tls-identity=[What of a client certificate is the user name]:WHAT:((cn\:"The subject'\''s common name"
san\:"The first alternative name that is a DNS name, a URI or an e-mail address"
none\:"Nothing; the user name is that of CONNECT"))' \
'*--tls-crl=[A list of revoked client certificates, as PEM; may be given several times]:FILE:_files' \
'--max-connections=[Clients connected at once; one more is answered with CONNACK 3, server unavailable]:N:_default' \
'--max-packet-size=[Largest packet that a client may send, with its header; a larger one closes its connection]:BYTES:_default' \
'--max-outgoing-bytes=[Output held for one client that reads too slowly]:BYTES:_default' \
'--qos0-patience=[How long a client that reads too slowly may hold back its publishers before QoS 0 to it is dropped; 0\: no time]:DURATION:_default' \
'--max-inflight=[QoS 1 and 2 messages that were sent to one client and are not acknowledged]:N:_default' \
'--address-connections-max=[Open connections of one address (IPv6\: of one /64); one more is closed. 0\: no limit]:N:_default' \
'--address-connects-per-second=[Connections that one address may open in a second; one more is closed. 0\: no limit]:N:_default' \
'--client-publish-rate=[Messages a second that one client may publish; the broker does not read from a faster one for a while. 0\: no limit]:N:_default' \
'--client-publish-bytes=[Bytes a second of topics and payloads that one client may publish, as --client-publish-rate. 0\: no limit]:BYTES:_default' \
'--max-subscriptions=[Filters that one session may hold; a SUBSCRIBE to one more is answered 0x80]:N:_default' \
'--max-topic-levels=[Levels that a topic or a filter may have, at most 65535]:N:_default' \
'--shards=[Threads that serve clients, 1 to 64 \[default\: CPUs\]]:N:_default' \
'--ring=[Interface of the kernel that the shards use]:RING:((auto\:"io_uring where it works for every shard, else epoll with a warning that says why"
io_uring\:"io_uring, or the broker does not start"
epoll\:"epoll, which takes more CPU time for each message"))' \
'--data-dir=[Directory of sessions, waiting messages and retained messages; made if it is missing]:DIR:_files -/' \
'--durability=[When a QoS 1 or 2 message counts as stored and is acknowledged]:WHEN:((disk\:"After fdatasync; the message survives a power loss"
os\:"After the write; the message survives a killed broker, not a power loss"))' \
'--session-expiry=[How long the session of an absent client is kept; 0\: for ever]:DURATION:_default' \
'--session-max-bytes=[Messages that may wait for one session, in BYTES or as a share of the file system (P%) \[default\: 10%, at least 1GiB\]]:BYTES|P%:_default' \
'--session-overflow=[What happens to a message for a session that is full]:POLICY:((drop-oldest\:"The messages that have waited longest are dropped"
drop-newest\:"The new message is dropped for this session"
block\:"The publisher waits until there is room"))' \
'--retained-max-count=[Topics with a retained message; a message to one topic more is delivered and not retained]:N:_default' \
'--retained-max-bytes=[Bytes of all retained messages with their topics; a message beyond is delivered and not retained]:BYTES:_default' \
'--disk-low=[Free space of the file system, in BYTES or as a share of its size (P%), below which publishers wait; 0\: none \[default\: 1GiB, or 5% if that is less\]]:BYTES|P%:_default' \
'--segment-bytes=[Size of the files that messages are stored in]:BYTES:_default' \
'--http-listen=[Where to answer operators over HTTP\: ADDR\:PORT of this host alone, unix or none \[default\: 127.0.0.1\:9883\]]:ADDRESS:_default' \
'--http-tokens=[Who may ask over HTTP\: lines of NAME\:SHA256\:RIGHTS \[default\: the token in \`admin.token\` of --data-dir\]]:FILE:_files' \
'--sys-interval=[How often the topics \$SYS/broker/... are brought up to date, while a client is subscribed to them; 0\: never]:DURATION:_default' \
'--log=[What goes to standard error\: off, error, warn, info, debug or trace]:FILTER:_default' \
'--log-format=[How log lines look \[default\: text, or journald where standard error is the journal\]]:FORMAT:((text\:"For people, with time in UTC, level, shard, client and what happened"
json\:"One JSON object a line"
journald\:"For the journal, with its priority in front and without a time"))' \
'--log-connections=[Whether clients that connect and disconnect are logged]:WHETHER:((on\:"Yes"
off\:"No"))' \
'--config=[A file of settings in TOML\: each key is the long name of a flag]:FILE:_files' \
'--allow-anonymous[Let clients without a user connect by every listener, also when there are users]' \
'--no-pin[Let the system move the shards between CPUs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_ringmq_commands" \
"*::: :->ringmq" \
&& ret=0
    case $state in
    (ringmq)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-command-$line[1]:"
        case $line[1] in
            (passwd)
_arguments "${_arguments_options[@]}" : \
'--stdin[Read the password from standard input, up to the end of the line]' \
'(--stdin)--delete[Delete the user]' \
'-h[Print help]' \
'--help[Print help]' \
':file -- The password file; made if it is missing:_files' \
':user -- The user, without a vhost:_default' \
&& ret=0
;;
(reload)
_arguments "${_arguments_options[@]}" : \
'--data-dir=[Data directory]:DIR:_files -/' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(vhost)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__vhost_commands" \
"*::: :->vhost" \
&& ret=0

    case $state in
    (vhost)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-vhost-command-$line[1]:"
        case $line[1] in
            (delete)
_arguments "${_arguments_options[@]}" : \
'--data-dir=[Data directory]:DIR:_files -/' \
'-h[Print help]' \
'--help[Print help]' \
':name -- The vhost, as clients name it:_default' \
&& ret=0
;;
(list)
_arguments "${_arguments_options[@]}" : \
'--data-dir=[Data directory]:DIR:_files -/' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(session)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__session_commands" \
"*::: :->session" \
&& ret=0

    case $state in
    (session)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-session-command-$line[1]:"
        case $line[1] in
            (delete)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Its vhost]:NAME:_default' \
'--data-dir=[Data directory]:DIR:_files -/' \
'-h[Print help]' \
'--help[Print help]' \
':client_id -- The client id:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(data)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__data_commands" \
"*::: :->data" \
&& ret=0

    case $state in
    (data)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-data-command-$line[1]:"
        case $line[1] in
            (reshard)
_arguments "${_arguments_options[@]}" : \
'--shards=[Shards of the new one]:N:_default' \
'--to=[Where the new one is made; there must be nothing, or an empty directory]:NEW:_files -/' \
'--skip-damaged[Go on without what is damaged, and tell how much that is]' \
'-h[Print help]' \
'--help[Print help]' \
':dir -- The data directory:_files -/' \
&& ret=0
;;
(backup)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':dir -- The data directory, in use or not:_files -/' \
':to -- Where the copy is made; there must be nothing, or an empty directory:_files -/' \
&& ret=0
;;
        esac
    ;;
esac
;;
(ctl)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl_commands" \
"*::: :->ctl" \
&& ret=0

    case $state in
    (ctl)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-command-$line[1]:"
        case $line[1] in
            (status)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(top)
_arguments "${_arguments_options[@]}" : \
'--by=[What the sessions have most of \[default\: backlog_bytes\]]:WHAT:(backlog_bytes backlog_messages dropped inflight outgoing)' \
'--n=[Sessions \[default\: 10\]]:N:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address protocol keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(vhosts)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(metrics)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
'::prefix -- What the names begin with:_default' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--warning=[disk\: warn below; drops, lag\: warn above \[default\: 10, 0, 60\]]:N:_default' \
'--critical=[The same for critical \[default\: none, 1000, 600\]]:N:_default' \
'--over=[Time that drops are counted for \[default\: 1s\]]:DURATION:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':name -- What is checked:(alive disk drops lag ready reload)' \
&& ret=0
;;
(closed)
_arguments "${_arguments_options[@]}" : \
'--id=[Exactly this client id]:ID:_default' \
'--id-prefix=[What the client id begins with]:TEXT:_default' \
'--reason=[Why it ended, as in keep_alive]:WORD:_default' \
'--vhost=[Name of a vhost]:NAME:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user address reason says ago_seconds connected_seconds received.bytes sent.bytes shard names_cut)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(subs)
_arguments "${_arguments_options[@]}" : \
'--client=[Of exactly this client]:ID:_default' \
'--filter=[Exactly this topic filter]:FILTER:_default' \
'--vhost=[Name of a vhost]:NAME:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user filter qos clean connected suspended shard)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(match)
_arguments "${_arguments_options[@]}" : \
'--qos=[Its QoS \[default\: 0\]]:QOS:_default' \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user filter granted qos connected gets why shard rule.allowed rule.basis rule.says rule.file rule.line)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
':topic -- Topic of the message:_default' \
&& ret=0
;;
(can)
_arguments "${_arguments_options[@]}" : \
'--user=[User of the client \[default\: none\]]:NAME:_default' \
'--client-id=[Client id, case sensitive]:ID:_default' \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(allowed basis says file line)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':action -- What it wants to do:(publish subscribe)' \
':topic -- Topic; for subscribe a topic filter:_default' \
&& ret=0
;;
(clients)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__clients_commands" \
"*::: :->clients" \
&& ret=0

    case $state in
    (clients)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-clients-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
'--id=[Exactly this client id]:ID:_default' \
'--id-prefix=[What the client id begins with]:TEXT:_default' \
'--user=[User that the session belongs to]:NAME:_default' \
'--vhost=[Name of a vhost]:NAME:_default' \
'--address=[Where the client connected from\: an address or a range, as in 10.0.0.0/8]:RANGE:_default' \
'--state=[How it takes what is sent to it\: publishers wait for a full one, QoS 0 to a slow one is dropped]:STATE:(ok full slow)' \
'--backlog-min=[Messages that wait for it, at least]:N:_default' \
'--dropped-min=[Messages that were dropped for it, at least]:N:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address protocol keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address protocol keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
(kick)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--session=[What becomes of its session \[default\: keep\]]:WHAT:(keep delete)' \
'--will=[What becomes of its will \[default\: publish\]]:WHAT:(publish discard)' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(sessions)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__sessions_commands" \
"*::: :->sessions" \
&& ret=0

    case $state in
    (sessions)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-sessions-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
'--id=[Exactly this client id]:ID:_default' \
'--id-prefix=[What the client id begins with]:TEXT:_default' \
'--user=[User that the session belongs to]:NAME:_default' \
'--vhost=[Name of a vhost]:NAME:_default' \
'--address=[Where the client connected from\: an address or a range, as in 10.0.0.0/8]:RANGE:_default' \
'--state=[How it takes what is sent to it\: publishers wait for a full one, QoS 0 to a slow one is dropped]:STATE:(ok full slow)' \
'--backlog-min=[Messages that wait for it, at least]:N:_default' \
'--dropped-min=[Messages that were dropped for it, at least]:N:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--connected=[Whether its client is connected]:BOOL:(true false)' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address protocol keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(top)
_arguments "${_arguments_options[@]}" : \
'--by=[What the sessions have most of \[default\: backlog_bytes\]]:WHAT:(backlog_bytes backlog_messages dropped inflight outgoing)' \
'--n=[Sessions \[default\: 10\]]:N:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address protocol keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address protocol keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
(peek)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--limit=[Messages \[default\: 20\]]:N:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(number state topic qos retain age_seconds payload_bytes payload payload_base64 payload_cut)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
(purge)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(retained)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__retained_commands" \
"*::: :->retained" \
&& ret=0

    case $state in
    (retained)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-retained-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
'--prefix=[What the topics begin with]:TEXT:_default' \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(topic bytes shard)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(get)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(topic qos age_seconds payload_bytes payload payload_base64 payload_cut retain shard)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':topic -- Its topic:_default' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--dry-run[Only count them]' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':filter -- Topic, or topic filter:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(check)
_arguments "${_arguments_options[@]}" : \
'*--listen=[Where to accept MQTT\: ADDR\:PORT, NAME\:PORT, PORT or unix\:PATH; may be given several times]:ADDRESS:_default' \
'--unix-mode=[Mode of the Unix sockets of --listen, in octal; it says who may connect]:MODE:_default' \
'--unix-owner=[Owner of the Unix sockets of --listen\: USER, USER\:GROUP or \:GROUP \[default\: the user that starts ringmq\]]:OWNER:_default' \
'*--proxy-trust=[Proxies that may connect to listeners with \`,proxy\`, as in 10.0.0.0/8; may be given several times]:CIDR:_default' \
'--user=[User that ringmq becomes once every address is bound]:NAME:_default' \
'--passwords=[Users and hashes of their passwords]:FILE:_files' \
'--acl=[What each user may publish and subscribe to, in Mosquitto'\''s syntax]:FILE:_files' \
'--vhosts=[Directory with a subdirectory for each vhost]:DIR:_files -/' \
'--default-vhost=[Vhost of clients whose user name is not VHOST\:USER; --passwords and --acl are for it]:NAME:_default' \
'--auth-failures-max=[Wrong passwords from one address within a minute; then its logins are refused. 0\: no limit]:N:_default' \
'--on-denied=[What happens to a message whose publisher may not publish to its topic]:WHAT:((drop\:"The message is acknowledged, dropped and counted"
disconnect\:"The publisher is disconnected"))' \
'--takeover=[Who may take over a client id that is in use, and its session]:WHO:((same-user\:"A client of the same user, or an anonymous client if the other is anonymous as well"
any\:"Any client of the vhost"))' \
'*--tls-listen=[Where to accept MQTT over TLS, usually port 8883; may be given several times]:ADDRESS:_default' \
'--tls-cert=[The server'\''s certificate, then those of its issuers, as PEM]:FILE:_files' \
'--tls-key=[The private key of --tls-cert, as PEM without a password]:FILE:_files' \
'--tls-min=[The oldest version of TLS to accept]:VERSION:((1.2\:"TLS 1.2 and 1.3"
1.3\:"TLS 1.3 only"))' \
'*--tls-sni=[Certificate and key for clients that ask for this host; may be given several times]:HOST=CERT,KEY:_default' \
'--tls-client-ca=[Certificates of the issuers of client certificates, as PEM]:FILE:_files' \
'--tls-client=[Whether clients must show a certificate of an issuer in --tls-client-ca]:WHETHER:((required\:"A client without a certificate is refused"
optional\:"A client without a certificate may connect; a certificate that is shown must be good"))' \
'--tls-identity=[What of a client certificate is the user name]:WHAT:((cn\:"The subject'\''s common name"
san\:"The first alternative name that is a DNS name, a URI or an e-mail address"
none\:"Nothing; the user name is that of CONNECT"))' \
'*--tls-crl=[A list of revoked client certificates, as PEM; may be given several times]:FILE:_files' \
'--max-connections=[Clients connected at once; one more is answered with CONNACK 3, server unavailable]:N:_default' \
'--max-packet-size=[Largest packet that a client may send, with its header; a larger one closes its connection]:BYTES:_default' \
'--max-outgoing-bytes=[Output held for one client that reads too slowly]:BYTES:_default' \
'--qos0-patience=[How long a client that reads too slowly may hold back its publishers before QoS 0 to it is dropped; 0\: no time]:DURATION:_default' \
'--max-inflight=[QoS 1 and 2 messages that were sent to one client and are not acknowledged]:N:_default' \
'--address-connections-max=[Open connections of one address (IPv6\: of one /64); one more is closed. 0\: no limit]:N:_default' \
'--address-connects-per-second=[Connections that one address may open in a second; one more is closed. 0\: no limit]:N:_default' \
'--client-publish-rate=[Messages a second that one client may publish; the broker does not read from a faster one for a while. 0\: no limit]:N:_default' \
'--client-publish-bytes=[Bytes a second of topics and payloads that one client may publish, as --client-publish-rate. 0\: no limit]:BYTES:_default' \
'--max-subscriptions=[Filters that one session may hold; a SUBSCRIBE to one more is answered 0x80]:N:_default' \
'--max-topic-levels=[Levels that a topic or a filter may have, at most 65535]:N:_default' \
'--shards=[Threads that serve clients, 1 to 64 \[default\: CPUs\]]:N:_default' \
'--ring=[Interface of the kernel that the shards use]:RING:((auto\:"io_uring where it works for every shard, else epoll with a warning that says why"
io_uring\:"io_uring, or the broker does not start"
epoll\:"epoll, which takes more CPU time for each message"))' \
'--data-dir=[Directory of sessions, waiting messages and retained messages; made if it is missing]:DIR:_files -/' \
'--durability=[When a QoS 1 or 2 message counts as stored and is acknowledged]:WHEN:((disk\:"After fdatasync; the message survives a power loss"
os\:"After the write; the message survives a killed broker, not a power loss"))' \
'--session-expiry=[How long the session of an absent client is kept; 0\: for ever]:DURATION:_default' \
'--session-max-bytes=[Messages that may wait for one session, in BYTES or as a share of the file system (P%) \[default\: 10%, at least 1GiB\]]:BYTES|P%:_default' \
'--session-overflow=[What happens to a message for a session that is full]:POLICY:((drop-oldest\:"The messages that have waited longest are dropped"
drop-newest\:"The new message is dropped for this session"
block\:"The publisher waits until there is room"))' \
'--retained-max-count=[Topics with a retained message; a message to one topic more is delivered and not retained]:N:_default' \
'--retained-max-bytes=[Bytes of all retained messages with their topics; a message beyond is delivered and not retained]:BYTES:_default' \
'--disk-low=[Free space of the file system, in BYTES or as a share of its size (P%), below which publishers wait; 0\: none \[default\: 1GiB, or 5% if that is less\]]:BYTES|P%:_default' \
'--segment-bytes=[Size of the files that messages are stored in]:BYTES:_default' \
'--http-listen=[Where to answer operators over HTTP\: ADDR\:PORT of this host alone, unix or none \[default\: 127.0.0.1\:9883\]]:ADDRESS:_default' \
'--http-tokens=[Who may ask over HTTP\: lines of NAME\:SHA256\:RIGHTS \[default\: the token in \`admin.token\` of --data-dir\]]:FILE:_files' \
'--sys-interval=[How often the topics \$SYS/broker/... are brought up to date, while a client is subscribed to them; 0\: never]:DURATION:_default' \
'--log=[What goes to standard error\: off, error, warn, info, debug or trace]:FILTER:_default' \
'--log-format=[How log lines look \[default\: text, or journald where standard error is the journal\]]:FORMAT:((text\:"For people, with time in UTC, level, shard, client and what happened"
json\:"One JSON object a line"
journald\:"For the journal, with its priority in front and without a time"))' \
'--log-connections=[Whether clients that connect and disconnect are logged]:WHETHER:((on\:"Yes"
off\:"No"))' \
'--config=[A file of settings in TOML\: each key is the long name of a flag]:FILE:_files' \
'--json[Print the findings as JSON]' \
'--allow-anonymous[Let clients without a user connect by every listener, also when there are users]' \
'--no-pin[Let the system move the shards between CPUs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
&& ret=0
;;
(config)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__config_commands" \
"*::: :->config" \
&& ret=0

    case $state in
    (config)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-config-command-$line[1]:"
        case $line[1] in
            (show)
_arguments "${_arguments_options[@]}" : \
'*--listen=[Where to accept MQTT\: ADDR\:PORT, NAME\:PORT, PORT or unix\:PATH; may be given several times]:ADDRESS:_default' \
'--unix-mode=[Mode of the Unix sockets of --listen, in octal; it says who may connect]:MODE:_default' \
'--unix-owner=[Owner of the Unix sockets of --listen\: USER, USER\:GROUP or \:GROUP \[default\: the user that starts ringmq\]]:OWNER:_default' \
'*--proxy-trust=[Proxies that may connect to listeners with \`,proxy\`, as in 10.0.0.0/8; may be given several times]:CIDR:_default' \
'--user=[User that ringmq becomes once every address is bound]:NAME:_default' \
'--passwords=[Users and hashes of their passwords]:FILE:_files' \
'--acl=[What each user may publish and subscribe to, in Mosquitto'\''s syntax]:FILE:_files' \
'--vhosts=[Directory with a subdirectory for each vhost]:DIR:_files -/' \
'--default-vhost=[Vhost of clients whose user name is not VHOST\:USER; --passwords and --acl are for it]:NAME:_default' \
'--auth-failures-max=[Wrong passwords from one address within a minute; then its logins are refused. 0\: no limit]:N:_default' \
'--on-denied=[What happens to a message whose publisher may not publish to its topic]:WHAT:((drop\:"The message is acknowledged, dropped and counted"
disconnect\:"The publisher is disconnected"))' \
'--takeover=[Who may take over a client id that is in use, and its session]:WHO:((same-user\:"A client of the same user, or an anonymous client if the other is anonymous as well"
any\:"Any client of the vhost"))' \
'*--tls-listen=[Where to accept MQTT over TLS, usually port 8883; may be given several times]:ADDRESS:_default' \
'--tls-cert=[The server'\''s certificate, then those of its issuers, as PEM]:FILE:_files' \
'--tls-key=[The private key of --tls-cert, as PEM without a password]:FILE:_files' \
'--tls-min=[The oldest version of TLS to accept]:VERSION:((1.2\:"TLS 1.2 and 1.3"
1.3\:"TLS 1.3 only"))' \
'*--tls-sni=[Certificate and key for clients that ask for this host; may be given several times]:HOST=CERT,KEY:_default' \
'--tls-client-ca=[Certificates of the issuers of client certificates, as PEM]:FILE:_files' \
'--tls-client=[Whether clients must show a certificate of an issuer in --tls-client-ca]:WHETHER:((required\:"A client without a certificate is refused"
optional\:"A client without a certificate may connect; a certificate that is shown must be good"))' \
'--tls-identity=[What of a client certificate is the user name]:WHAT:((cn\:"The subject'\''s common name"
san\:"The first alternative name that is a DNS name, a URI or an e-mail address"
none\:"Nothing; the user name is that of CONNECT"))' \
'*--tls-crl=[A list of revoked client certificates, as PEM; may be given several times]:FILE:_files' \
'--max-connections=[Clients connected at once; one more is answered with CONNACK 3, server unavailable]:N:_default' \
'--max-packet-size=[Largest packet that a client may send, with its header; a larger one closes its connection]:BYTES:_default' \
'--max-outgoing-bytes=[Output held for one client that reads too slowly]:BYTES:_default' \
'--qos0-patience=[How long a client that reads too slowly may hold back its publishers before QoS 0 to it is dropped; 0\: no time]:DURATION:_default' \
'--max-inflight=[QoS 1 and 2 messages that were sent to one client and are not acknowledged]:N:_default' \
'--address-connections-max=[Open connections of one address (IPv6\: of one /64); one more is closed. 0\: no limit]:N:_default' \
'--address-connects-per-second=[Connections that one address may open in a second; one more is closed. 0\: no limit]:N:_default' \
'--client-publish-rate=[Messages a second that one client may publish; the broker does not read from a faster one for a while. 0\: no limit]:N:_default' \
'--client-publish-bytes=[Bytes a second of topics and payloads that one client may publish, as --client-publish-rate. 0\: no limit]:BYTES:_default' \
'--max-subscriptions=[Filters that one session may hold; a SUBSCRIBE to one more is answered 0x80]:N:_default' \
'--max-topic-levels=[Levels that a topic or a filter may have, at most 65535]:N:_default' \
'--shards=[Threads that serve clients, 1 to 64 \[default\: CPUs\]]:N:_default' \
'--ring=[Interface of the kernel that the shards use]:RING:((auto\:"io_uring where it works for every shard, else epoll with a warning that says why"
io_uring\:"io_uring, or the broker does not start"
epoll\:"epoll, which takes more CPU time for each message"))' \
'--data-dir=[Directory of sessions, waiting messages and retained messages; made if it is missing]:DIR:_files -/' \
'--durability=[When a QoS 1 or 2 message counts as stored and is acknowledged]:WHEN:((disk\:"After fdatasync; the message survives a power loss"
os\:"After the write; the message survives a killed broker, not a power loss"))' \
'--session-expiry=[How long the session of an absent client is kept; 0\: for ever]:DURATION:_default' \
'--session-max-bytes=[Messages that may wait for one session, in BYTES or as a share of the file system (P%) \[default\: 10%, at least 1GiB\]]:BYTES|P%:_default' \
'--session-overflow=[What happens to a message for a session that is full]:POLICY:((drop-oldest\:"The messages that have waited longest are dropped"
drop-newest\:"The new message is dropped for this session"
block\:"The publisher waits until there is room"))' \
'--retained-max-count=[Topics with a retained message; a message to one topic more is delivered and not retained]:N:_default' \
'--retained-max-bytes=[Bytes of all retained messages with their topics; a message beyond is delivered and not retained]:BYTES:_default' \
'--disk-low=[Free space of the file system, in BYTES or as a share of its size (P%), below which publishers wait; 0\: none \[default\: 1GiB, or 5% if that is less\]]:BYTES|P%:_default' \
'--segment-bytes=[Size of the files that messages are stored in]:BYTES:_default' \
'--http-listen=[Where to answer operators over HTTP\: ADDR\:PORT of this host alone, unix or none \[default\: 127.0.0.1\:9883\]]:ADDRESS:_default' \
'--http-tokens=[Who may ask over HTTP\: lines of NAME\:SHA256\:RIGHTS \[default\: the token in \`admin.token\` of --data-dir\]]:FILE:_files' \
'--sys-interval=[How often the topics \$SYS/broker/... are brought up to date, while a client is subscribed to them; 0\: never]:DURATION:_default' \
'--log=[What goes to standard error\: off, error, warn, info, debug or trace]:FILTER:_default' \
'--log-format=[How log lines look \[default\: text, or journald where standard error is the journal\]]:FORMAT:((text\:"For people, with time in UTC, level, shard, client and what happened"
json\:"One JSON object a line"
journald\:"For the journal, with its priority in front and without a time"))' \
'--log-connections=[Whether clients that connect and disconnect are logged]:WHETHER:((on\:"Yes"
off\:"No"))' \
'--config=[A file of settings in TOML\: each key is the long name of a flag]:FILE:_files' \
'--defaults[List the defaults, whatever is set]' \
'--json[Print JSON]' \
'--allow-anonymous[Let clients without a user connect by every listener, also when there are users]' \
'--no-pin[Let the system move the shards between CPUs]' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
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

(( $+functions[_ringmq_commands] )) ||
_ringmq_commands() {
    local commands; commands=(
'passwd:Set or delete the password of a user in a password file' \
'reload:Have a running broker read its configuration and files again, and wait for its answer' \
'vhost:List or delete the vhosts of a data directory' \
'session:Delete the session of a client' \
'data:Change the number of shards of a data directory, or back it up' \
'ctl:Ask a broker that runs, or have it do something' \
'check:Read all that a start would, say what is wrong, and change nothing' \
'config:Look at the configuration' \
    )
    _describe -t commands 'ringmq commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__check_commands] )) ||
_ringmq__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq check commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__config_commands] )) ||
_ringmq__subcmd__config_commands() {
    local commands; commands=(
'show:List all settings\: value, where it comes from, what it takes, whether a reload changes it' \
    )
    _describe -t commands 'ringmq config commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__config__subcmd__show_commands] )) ||
_ringmq__subcmd__config__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq config show commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl_commands] )) ||
_ringmq__subcmd__ctl_commands() {
    local commands; commands=(
'status:Show what matters most' \
'top:Show rates, and the sessions that have most of something' \
'vhosts:List vhosts with their metrics' \
'metrics:List metrics, times with their percentiles' \
'check:Tell Nagios whether the broker is well' \
'closed:List the connections that ended last, with reasons' \
'subs:List subscriptions' \
'match:List who would get a message, and who not and why' \
'can:Tell whether a client may publish or subscribe, and which rule says so' \
'clients:List, show or disconnect clients that are connected' \
'sessions:List, rank, show, empty or delete sessions, of connected and absent clients' \
'retained:List, show or clear retained messages' \
    )
    _describe -t commands 'ringmq ctl commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__can_commands] )) ||
_ringmq__subcmd__ctl__subcmd__can_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl can commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__check_commands] )) ||
_ringmq__subcmd__ctl__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl check commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__clients_commands] )) ||
_ringmq__subcmd__ctl__subcmd__clients_commands() {
    local commands; commands=(
'ls:List connected clients' \
'show:Show one connected client' \
'kick:Disconnect a client' \
    )
    _describe -t commands 'ringmq ctl clients commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__clients__subcmd__kick_commands] )) ||
_ringmq__subcmd__ctl__subcmd__clients__subcmd__kick_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl clients kick commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__clients__subcmd__ls_commands] )) ||
_ringmq__subcmd__ctl__subcmd__clients__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl clients ls commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__clients__subcmd__show_commands] )) ||
_ringmq__subcmd__ctl__subcmd__clients__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl clients show commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__closed_commands] )) ||
_ringmq__subcmd__ctl__subcmd__closed_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl closed commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__match_commands] )) ||
_ringmq__subcmd__ctl__subcmd__match_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl match commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__metrics_commands] )) ||
_ringmq__subcmd__ctl__subcmd__metrics_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl metrics commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__retained_commands] )) ||
_ringmq__subcmd__ctl__subcmd__retained_commands() {
    local commands; commands=(
'ls:List topics with a retained message' \
'get:Show a retained message' \
'rm:Clear the retained messages that match a filter' \
    )
    _describe -t commands 'ringmq ctl retained commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__retained__subcmd__get_commands] )) ||
_ringmq__subcmd__ctl__subcmd__retained__subcmd__get_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl retained get commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__retained__subcmd__ls_commands] )) ||
_ringmq__subcmd__ctl__subcmd__retained__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl retained ls commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__retained__subcmd__rm_commands] )) ||
_ringmq__subcmd__ctl__subcmd__retained__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl retained rm commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__sessions_commands] )) ||
_ringmq__subcmd__ctl__subcmd__sessions_commands() {
    local commands; commands=(
'ls:List sessions' \
'top:List the sessions that have most of something' \
'show:Show one session' \
'rm:Delete a session with what waits in it, and disconnect its client' \
'peek:Show the first messages that wait in a session' \
'purge:Drop the messages that wait in a session' \
    )
    _describe -t commands 'ringmq ctl sessions commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__sessions__subcmd__ls_commands] )) ||
_ringmq__subcmd__ctl__subcmd__sessions__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl sessions ls commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__sessions__subcmd__peek_commands] )) ||
_ringmq__subcmd__ctl__subcmd__sessions__subcmd__peek_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl sessions peek commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__sessions__subcmd__purge_commands] )) ||
_ringmq__subcmd__ctl__subcmd__sessions__subcmd__purge_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl sessions purge commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__sessions__subcmd__rm_commands] )) ||
_ringmq__subcmd__ctl__subcmd__sessions__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl sessions rm commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__sessions__subcmd__show_commands] )) ||
_ringmq__subcmd__ctl__subcmd__sessions__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl sessions show commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__sessions__subcmd__top_commands] )) ||
_ringmq__subcmd__ctl__subcmd__sessions__subcmd__top_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl sessions top commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__status_commands] )) ||
_ringmq__subcmd__ctl__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl status commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__subs_commands] )) ||
_ringmq__subcmd__ctl__subcmd__subs_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl subs commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__top_commands] )) ||
_ringmq__subcmd__ctl__subcmd__top_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl top commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__vhosts_commands] )) ||
_ringmq__subcmd__ctl__subcmd__vhosts_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl vhosts commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__data_commands] )) ||
_ringmq__subcmd__data_commands() {
    local commands; commands=(
'reshard:Copy what a data directory has into a new one for another number of shards' \
'backup:Copy what is committed in a data directory, while a broker uses it' \
    )
    _describe -t commands 'ringmq data commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__data__subcmd__backup_commands] )) ||
_ringmq__subcmd__data__subcmd__backup_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq data backup commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__data__subcmd__reshard_commands] )) ||
_ringmq__subcmd__data__subcmd__reshard_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq data reshard commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__passwd_commands] )) ||
_ringmq__subcmd__passwd_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq passwd commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__reload_commands] )) ||
_ringmq__subcmd__reload_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq reload commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__session_commands] )) ||
_ringmq__subcmd__session_commands() {
    local commands; commands=(
'delete:Have the session of a client deleted, with its subscriptions and what waits in it' \
    )
    _describe -t commands 'ringmq session commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__session__subcmd__delete_commands] )) ||
_ringmq__subcmd__session__subcmd__delete_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq session delete commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__vhost_commands] )) ||
_ringmq__subcmd__vhost_commands() {
    local commands; commands=(
'delete:Delete a vhost, with its sessions and retained messages' \
'list:List number and name of each vhost' \
    )
    _describe -t commands 'ringmq vhost commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__vhost__subcmd__delete_commands] )) ||
_ringmq__subcmd__vhost__subcmd__delete_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq vhost delete commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__vhost__subcmd__list_commands] )) ||
_ringmq__subcmd__vhost__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq vhost list commands' commands "$@"
}

if [ "$funcstack[1]" = "_ringmq" ]; then
    _ringmq "$@"
else
    compdef _ringmq ringmq
fi
