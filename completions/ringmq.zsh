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
'--unix-mode=[Mode of the Unix sockets of --listen, in octal; it determines who may connect]:MODE:_default' \
'--unix-owner=[Owner of the Unix sockets of --listen\: USER, USER\:GROUP or \:GROUP \[default\: the user that starts ringmq\]]:OWNER:_default' \
'*--proxy-trust=[Proxies that may connect to listeners with \`,proxy\`, as in 10.0.0.0/8; may be given several times]:CIDR:_default' \
'--user=[User that ringmq switches to once every address is bound]:NAME:_default' \
'*--ws-path=[Path at which WebSocket clients are accepted; may be given several times]:PATH:_default' \
'*--ws-origin=[Origin of web pages that may connect over WebSocket, as in \`https\://app.example.com\`, or \`any\`; may be given several times \[default\: any, but pages of this host alone at loopback addresses\]]:ORIGIN:_default' \
'--passwords=[Users and hashes of their passwords]:FILE:_files' \
'--acl=[What each user may publish and subscribe to, in Mosquitto'\''s syntax]:FILE:_files' \
'--groups=[Consumer groups that exist without members, with their options]:FILE:_files' \
'--vhosts=[Directory with one subdirectory for each vhost]:DIR:_files -/' \
'--default-vhost=[Vhost of clients whose user name is not VHOST\:USER; the files of flags are for it]:NAME:_default' \
'--auth-failures-max=[Wrong passwords from one address within a minute; further logins from it are refused. 0\: no limit]:N:_default' \
'--on-denied=[What happens to a message that its publisher is not allowed to publish]:WHAT:((drop\:"The message is acknowledged, dropped and counted"
disconnect\:"The publisher is disconnected"))' \
'--takeover=[Which clients may take over a client id that is in use, and its session]:WHO:((same-user\:"A client of the same user; an anonymous client if the other one is anonymous too"
any\:"Any client of the vhost"))' \
'*--tls-listen=[Where to accept MQTT over TLS, usually port 8883; may be given several times]:ADDRESS:_default' \
'--tls-cert=[The server'\''s certificate followed by those of its issuers, as PEM]:FILE:_files' \
'--tls-key=[The private key of --tls-cert, as PEM without a password]:FILE:_files' \
'--tls-min=[The oldest version of TLS to accept]:VERSION:((1.2\:"TLS 1.2 and 1.3"
1.3\:"TLS 1.3 only"))' \
'*--tls-sni=[Certificate and key for clients that request this host name; may be given several times]:HOST=CERT,KEY:_default' \
'--tls-client-ca=[Certificates of the issuers of client certificates, as PEM]:FILE:_files' \
'--tls-client=[Whether clients must present a certificate from an issuer in --tls-client-ca]:WHETHER:((required\:"A client without a certificate is refused"
optional\:"A client without a certificate may connect; a certificate that is presented must be valid"))' \
'--tls-identity=[The field of a client certificate that becomes the user name]:WHAT:((cn\:"The subject'\''s common name"
san\:"The first alternative name that is a DNS name, a URI or an e-mail address"
none\:"None; the user name is that of CONNECT"))' \
'*--tls-crl=[A list of revoked client certificates, as PEM; may be given several times]:FILE:_files' \
'--max-connections=[Clients connected at once; one more is answered with CONNACK 3, server unavailable]:N:_default' \
'--max-packet-size=[Largest packet that a client may send, header included; the broker closes the connection of a client that sends a larger one]:BYTES:_default' \
'--max-outgoing-bytes=[Bytes of output that the broker holds for one client that reads too slowly]:BYTES:_default' \
'--qos0-patience=[How long a client that reads too slowly may delay its publishers before the broker drops QoS 0 messages to it; 0\: no time]:DURATION:_default' \
'--gather-max=[How much longer a shard may sleep, or hold back a write to the log, when messages come so often that it then handles several at once; 0\: never longer]:DURATION:_default' \
'--max-inflight=[QoS 1 and 2 messages that were sent to one client and are not yet acknowledged]:N:_default' \
'--address-connections-max=[Open connections of one address (IPv6\: of one /64); further connections are closed. 0\: no limit]:N:_default' \
'--address-connects-per-second=[Connections that one address may open in a second; further ones are closed. 0\: no limit]:N:_default' \
'--client-publish-rate=[Messages that one client may publish in a second; the broker pauses reading from a client that exceeds this. 0\: no limit]:N:_default' \
'--client-publish-bytes=[Bytes of topics and payloads that one client may publish in a second; enforced as --client-publish-rate. 0\: no limit]:BYTES:_default' \
'--max-subscriptions=[Filters that one session may hold; a SUBSCRIBE to a further one is answered 0x80]:N:_default' \
'--max-topic-levels=[Levels that a topic or a filter may have, at most 65535]:N:_default' \
'--topic-alias-max=[Topic aliases that a client may use, and that the broker may use towards it; 0\: none]:N:_default' \
'--keep-alive-max=[Longest keep alive in seconds\: a client that asks for a longer one, or for none, is told to use this one. 0\: no limit]:SECONDS:_default' \
'--check-payload-format=[Whether the broker refuses a payload with code 0x99 if its publisher declares it UTF-8 and it is not]:SWITCH:((on\:"Yes"
off\:"No"))' \
'--group-order=[Which member of a consumer group gets a message]:ORDER:((topic\:"Messages of one publisher and topic are with one member at a time"
sticky\:"A topic stays with one member as long as it is connected"
none\:"The next member that can take the message, in no order"))' \
'--group-max-bytes=[Messages that may wait for one consumer group, in bytes]:BYTES:_default' \
'--group-expiry=[How long a durable consumer group without members is kept, with what waits in it; 0\: not at all]:DURATION:_default' \
'--shards=[Threads that serve clients, 1 to 64 \[default\: CPUs\]]:N:_default' \
'--ring=[Kernel interface that the shards use]:RING:((auto\:"io_uring if it works for every shard; otherwise epoll, with a warning that gives the reason"
io_uring\:"io_uring; if it does not work, the broker does not start"
epoll\:"epoll, which needs more CPU time for each message"))' \
'--data-dir=[Directory for sessions, waiting messages and retained messages; created if it is missing]:DIR:_files -/' \
'--durability=[When a QoS 1 or 2 message counts as stored and is acknowledged]:WHEN:((disk\:"After fdatasync\: the message survives a power loss"
os\:"After the write\: the message survives a killed broker, but not a power loss"))' \
'--session-expiry=[How long the broker keeps the session of an absent client; 0\: for ever]:DURATION:_default' \
'--session-max-bytes=[Messages that may wait for one session, in BYTES or as a share of the file system (P%) \[default\: 10%, at least 1GiB\]]:BYTES|P%:_default' \
'--session-overflow=[What happens to a message for a session that is full]:POLICY:((drop-oldest\:"The oldest waiting messages are dropped"
drop-newest\:"The new message is dropped for this session"
block\:"The publisher waits until there is room"))' \
'*--session-limit=[Bounds of the sessions of one client id, or of all that begin with BEGINNING; may be given 16 times, and the first that names a client holds]:ID|BEGINNING*,bytes=BYTES|P%,overflow=POLICY:_default' \
'--retained-max-count=[Topics that may have a retained message; a message to a further topic is delivered but not retained]:N:_default' \
'--retained-max-bytes=[Bytes of all retained messages with their topics; a message above the limit is delivered but not retained]:BYTES:_default' \
'--disk-low=[Free space of the file system, in BYTES or as a share of its size (P%), below which publishers must wait; 0\: none \[default\: 1GiB, or 5% if that is less\]]:BYTES|P%:_default' \
'--segment-bytes=[Size of the files that hold messages]:BYTES:_default' \
'--http-listen=[Address of the operators'\'' HTTP interface\: ADDR\:PORT, unix or none \[default\: 127.0.0.1\:9883\]]:ADDRESS:_default' \
'--http-tokens=[File of tokens for HTTP requests\: lines of NAME\:SHA256\:RIGHTS \[default\: the token in \`admin.token\` of --data-dir\]]:FILE:_files' \
'--http-cert=[Certificate chain for HTTP over TLS, as PEM, the broker'\''s own certificate first]:FILE:_files' \
'--http-key=[The private key of --http-cert, as PEM without a password]:FILE:_files' \
'*--http-host=[Host name by which operators may address this broker over HTTP; may be repeated]:NAME:_default' \
'--sys-interval=[Time between updates of the topics \$SYS/broker/..., which happen while a client is subscribed to them; 0\: never]:DURATION:_default' \
'*--watch-session=[Sessions with metrics of their own at /metrics/sessions\: VHOST/ID, or VHOST/BEGINNING* for all sessions whose client id begins with BEGINNING; may be given 16 times]:VHOST/ID:_default' \
'--log=[Level of the lines on standard error\: off, error, warn, info, debug or trace]:FILTER:_default' \
'--log-format=[Format of log lines \[default\: text, or journald where standard error is the journal\]]:FORMAT:((text\:"For people\: time in UTC, level, shard, client and message"
json\:"One JSON object for each line"
journald\:"For the journal\: starts with the priority, has no time"))' \
'--log-connections=[Whether clients that connect and disconnect are logged]:WHETHER:((on\:"Yes"
off\:"No"))' \
'--config=[A configuration file in TOML\: each key is the long name of a flag]:FILE:_files' \
'--allow-anonymous[Let clients without a user connect through every listener, even if there are users]' \
'--no-pin[Let the system move the shards'\'' threads between CPUs]' \
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
'--iterations=[How often SCRAM hashes the password. Each client does so whenever it connects]:N:_default' \
'--stdin[Read the password from standard input, up to the end of the line]' \
'--scram[Write keys for SCRAM, which MQTT 5 clients can authenticate with]' \
'(--stdin --scram)--delete[Delete the user]' \
'-h[Print help]' \
'--help[Print help]' \
':file -- The password file; created if it is missing:_files' \
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
'--shards=[Number of shards of the new directory]:N:_default' \
'--to=[The new directory; it must not exist, or must be empty]:NEW:_files -/' \
'--skip-damaged[Skip damaged data, and report how much was skipped]' \
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
':to -- The copy; it must not exist, or must be an empty directory:_files -/' \
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
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(top)
_arguments "${_arguments_options[@]}" : \
'--by=[What the sessions have most of \[default\: backlog_bytes\]]:WHAT:(backlog_bytes backlog_messages dropped inflight outgoing lag rate)' \
'--n=[Sessions \[default\: 10\]]:N:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address listener connected_at received.bytes sent.bytes protocol transport keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds bytes_per_second)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(dashboard)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(metrics)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
'::prefix -- Beginning of the names:_default' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--warning=[certificates, disk\: warn below; drops, lag\: warn above \[default\: 14, 10, 0, 60\]]:N:_default' \
'--critical=[The same for critical \[default\: 3, none, 1000, 600\]]:N:_default' \
'--over=[Time for which drops are counted \[default\: 1s\]]:DURATION:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':name -- The check to run:(alive certificates disk drops lag ready reload)' \
&& ret=0
;;
(events)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of a vhost \[default\: all\]]:NAME:_default' \
'--kinds=[Some of connect, auth and close, with commas between \[default\: all\]]:KINDS:_default' \
'--seconds=[End after so many seconds]:N:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(tail)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of a vhost \[default\: all\]]:NAME:_default' \
'--seconds=[End after so many seconds \[default\: 600\]]:N:_default' \
'--payload=[Bytes of each payload to show \[default\: 64, and 4096 for tail\]]:BYTES:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':topic -- Topic filter, as in plant/+/temperature:_default' \
&& ret=0
;;
(closed)
_arguments "${_arguments_options[@]}" : \
'--id=[Exactly this client id]:ID:_default' \
'--id-prefix=[Beginning of the client id]:TEXT:_default' \
'--reason=[Reason of the end, as in keep_alive]:WORD:_default' \
'--vhost=[Name of a vhost]:NAME:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
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
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
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
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
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
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(allowed basis says file line)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':action -- The action:(publish subscribe)' \
':topic -- Topic; for subscribe a topic filter:_default' \
&& ret=0
;;
(publish)
_arguments "${_arguments_options[@]}" : \
'--file=[File with the payload; - is standard input]:FILE:_default' \
'--qos=[Quality \[default\: 0\]]:QOS:_default' \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--retain[Make it the topic'\''s retained message]' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':topic -- Topic:_default' \
'::payload -- Payload, as text:_default' \
&& ret=0
;;
(reload)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(drain)
_arguments "${_arguments_options[@]}" : \
'--over=[Time until the last one is disconnected \[default\: 60s\]]:DURATION:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(undrain)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(node)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(version kernel cpus pid started_at uptime_seconds shards cpu_seconds memory.resident_bytes memory.virtual_bytes files.open files.max data_dir disk.free_bytes disk.size_bytes disk.low_limit_bytes)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(shards)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(shard age_seconds uptime_seconds busy_seconds turns sleeps connections clients slow_clients sessions subscriptions messages.received messages.sent received.bytes sent.bytes backlog.bytes retained.messages retained.bytes log.bytes log.live_bytes log.uncommitted_bytes log.segments)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(listeners)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(at tls proxy local)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(certs)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(flag file subject not_before not_after days_left)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(trace)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__trace_commands" \
"*::: :->trace" \
&& ret=0

    case $state in
    (trace)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-trace-command-$line[1]:"
        case $line[1] in
            (client)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of a vhost \[default\: all\]]:NAME:_default' \
'--kinds=[Some of connect, packet, deliver, auth and close, with commas between \[default\: all\]]:KINDS:_default' \
'--seconds=[End after so many seconds \[default\: 600\]]:N:_default' \
'--payload=[Bytes of each payload to show \[default\: 64, and 4096 for tail\]]:BYTES:_default' \
'--pcapng=[Write packets into a file for Wireshark; - is standard output]:FILE:_default' \
'--record=[Write into a file of the broker'\''s data directory instead, and return at once]:FORM:(json text pcapng)' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
(prefix)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of a vhost \[default\: all\]]:NAME:_default' \
'--kinds=[Some of connect, packet, deliver, auth and close, with commas between \[default\: all\]]:KINDS:_default' \
'--seconds=[End after so many seconds \[default\: 600\]]:N:_default' \
'--payload=[Bytes of each payload to show \[default\: 64, and 4096 for tail\]]:BYTES:_default' \
'--pcapng=[Write packets into a file for Wireshark; - is standard output]:FILE:_default' \
'--record=[Write into a file of the broker'\''s data directory instead, and return at once]:FORM:(json text pcapng)' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':id_prefix -- Beginning of the client id:_default' \
&& ret=0
;;
(user)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of a vhost \[default\: all\]]:NAME:_default' \
'--kinds=[Some of connect, packet, deliver, auth and close, with commas between \[default\: all\]]:KINDS:_default' \
'--seconds=[End after so many seconds \[default\: 600\]]:N:_default' \
'--payload=[Bytes of each payload to show \[default\: 64, and 4096 for tail\]]:BYTES:_default' \
'--pcapng=[Write packets into a file for Wireshark; - is standard output]:FILE:_default' \
'--record=[Write into a file of the broker'\''s data directory instead, and return at once]:FORM:(json text pcapng)' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':user -- The user; empty\: clients without one:_default' \
&& ret=0
;;
(address)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of a vhost \[default\: all\]]:NAME:_default' \
'--kinds=[Some of connect, packet, deliver, auth and close, with commas between \[default\: all\]]:KINDS:_default' \
'--seconds=[End after so many seconds \[default\: 600\]]:N:_default' \
'--payload=[Bytes of each payload to show \[default\: 64, and 4096 for tail\]]:BYTES:_default' \
'--pcapng=[Write packets into a file for Wireshark; - is standard output]:FILE:_default' \
'--record=[Write into a file of the broker'\''s data directory instead, and return at once]:FORM:(json text pcapng)' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':address -- An address or a range, as in 10.0.0.0/8:_default' \
&& ret=0
;;
(topic)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of a vhost \[default\: all\]]:NAME:_default' \
'--kinds=[Some of connect, packet, deliver, auth and close, with commas between \[default\: all\]]:KINDS:_default' \
'--seconds=[End after so many seconds \[default\: 600\]]:N:_default' \
'--payload=[Bytes of each payload to show \[default\: 64, and 4096 for tail\]]:BYTES:_default' \
'--pcapng=[Write packets into a file for Wireshark; - is standard output]:FILE:_default' \
'--record=[Write into a file of the broker'\''s data directory instead, and return at once]:FORM:(json text pcapng)' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':topic -- Topic filter, as in plant/+/temperature:_default' \
&& ret=0
;;
(ls)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(trace by id id_prefix user address topic vhost kinds payload seconds seconds_left events skipped file)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(end)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- The trace, as it is listed:_default' \
&& ret=0
;;
(files)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(name bytes changed_at trace)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(get)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':name -- Name of the file:_default' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':name -- Name of the file:_default' \
&& ret=0
;;
        esac
    ;;
esac
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
'--id-prefix=[Beginning of the client id]:TEXT:_default' \
'--user=[User that the session belongs to]:NAME:_default' \
'--vhost=[Name of a vhost]:NAME:_default' \
'--address=[Address of the client, or a range of addresses, as in 10.0.0.0/8]:RANGE:_default' \
'--listener=[Listener that the client came in through, as listeners tells it]:LISTENER:_default' \
'--connected-after=[Connected since this time, as in 2026-11-29T21\:40\:00Z]:TIME:_default' \
'--state=[State of its output\: publishers wait for a full one, QoS 0 messages to a slow one are dropped]:STATE:(ok full slow)' \
'--backlog-min=[Messages that wait for it, at least]:N:_default' \
'--dropped-min=[Messages that were dropped for it, at least]:N:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address listener connected_at received.bytes sent.bytes protocol transport keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds bytes_per_second)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address listener connected_at received.bytes sent.bytes protocol transport keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds bytes_per_second)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
(kick)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--session=[What happens to its session \[default\: keep\]]:WHAT:(keep delete)' \
'--will=[What happens to its will \[default\: publish\]]:WHAT:(publish discard)' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
(evict)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of a vhost]:NAME:_default' \
'--user=[User of the client]:NAME:_default' \
'--id-prefix=[Beginning of the client id]:TEXT:_default' \
'--address=[Address of the client, or a range of addresses, as in 10.0.0.0/8]:RANGE:_default' \
'--listener=[Listener that the client came in through, as listeners tells it]:LISTENER:_default' \
'--state=[State of its output]:STATE:(ok full slow)' \
'--per-second=[Clients each second \[default\: 100\]]:N:_default' \
'--session=[What happens to their sessions \[default\: keep\]]:WHAT:(keep delete)' \
'--will=[What happens to their wills \[default\: publish\]]:WHAT:(publish discard)' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--dry-run[Count them, and disconnect nobody]' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
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
'--id-prefix=[Beginning of the client id]:TEXT:_default' \
'--user=[User that the session belongs to]:NAME:_default' \
'--vhost=[Name of a vhost]:NAME:_default' \
'--address=[Address of the client, or a range of addresses, as in 10.0.0.0/8]:RANGE:_default' \
'--listener=[Listener that the client came in through, as listeners tells it]:LISTENER:_default' \
'--connected-after=[Connected since this time, as in 2026-11-29T21\:40\:00Z]:TIME:_default' \
'--state=[State of its output\: publishers wait for a full one, QoS 0 messages to a slow one are dropped]:STATE:(ok full slow)' \
'--backlog-min=[Messages that wait for it, at least]:N:_default' \
'--dropped-min=[Messages that were dropped for it, at least]:N:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--connected=[Whether its client is connected]:BOOL:(true false)' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address listener connected_at received.bytes sent.bytes protocol transport keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds bytes_per_second)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(top)
_arguments "${_arguments_options[@]}" : \
'--by=[What the sessions have most of \[default\: backlog_bytes\]]:WHAT:(backlog_bytes backlog_messages dropped inflight outgoing lag rate)' \
'--n=[Sessions \[default\: 10\]]:N:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address listener connected_at received.bytes sent.bytes protocol transport keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds bytes_per_second)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id vhost user shard clean connected subscriptions inflight backlog.messages backlog.bytes backlog.lag_seconds dropped withheld absent_seconds address listener connected_at received.bytes sent.bytes protocol transport keep_alive will certified state waits_for outgoing_bytes connected_seconds silent_seconds bytes_per_second)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':id -- Client id, case sensitive:_default' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
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
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
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
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
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
(groups)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__groups_commands" \
"*::: :->groups" \
&& ret=0

    case $state in
    (groups)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-groups-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of a vhost]:NAME:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(group vhost name filter order durable declared members connected inflight backlog.messages backlog.bytes backlog.lag_seconds delivered acknowledged redelivered refused dead_lettered dropped.full_oldest dropped.full_newest dropped.expired dropped.disk_lost dropped.absent dropped.purged dropped.max_deliveries)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(show)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(group vhost name filter order durable declared members connected inflight backlog.messages backlog.bytes backlog.lag_seconds delivered acknowledged redelivered refused dead_lettered dropped.full_oldest dropped.full_newest dropped.expired dropped.disk_lost dropped.absent dropped.purged dropped.max_deliveries)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':group -- Its whole filter, as in '\''$share/NAME/a/b/#'\'':_default' \
&& ret=0
;;
(members)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(id user shard clean connected state qos lanes inflight inflight_all window)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--all[List all, however many there are]' \
'-h[Print help]' \
'--help[Print help]' \
':group -- Its whole filter, as in '\''$share/NAME/a/b/#'\'':_default' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--members=[Take the members'\'' subscriptions away; without it a group with members stays]:WHAT:(unsubscribe)' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':group -- Its whole filter, as in '\''$share/NAME/a/b/#'\'':_default' \
&& ret=0
;;
(purge)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':group -- Its whole filter, as in '\''$share/NAME/a/b/#'\'':_default' \
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
'--prefix=[Beginning of the topics]:TEXT:_default' \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--limit=[Rows \[default\: 100\]; with --all the rows of each request]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
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
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
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
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
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
(config)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__config_commands" \
"*::: :->config" \
&& ret=0

    case $state in
    (config)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-config-command-$line[1]:"
        case $line[1] in
            (show)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(name values default origin variable file line takes reload)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(log)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__log_commands" \
"*::: :->log" \
&& ret=0

    case $state in
    (log)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-log-command-$line[1]:"
        case $line[1] in
            (level)
_arguments "${_arguments_options[@]}" : \
'--for=[Time until the configured level applies again, as in 10m]:DURATION:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':filter -- As --log takes it:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(users)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__users_commands" \
"*::: :->users" \
&& ret=0

    case $state in
    (users)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-users-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--limit=[Rows \[default\: 100\]]:N:_default' \
'--cursor=[Where an earlier list ended]:CURSOR:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(vhost name)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(add)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--stdin[Read the password from standard input]' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':name -- Name of the user:_default' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--vhost=[Name of the vhost \[default\: /\]]:NAME:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':name -- Name of the user:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(vhosts)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__vhosts_commands" \
"*::: :->vhosts" \
&& ret=0

    case $state in
    (vhosts)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-vhosts-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(name number has_folder connections sessions backlog_bytes retained_messages retained_bytes limits)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(add)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':vhost -- Name of the vhost:_default' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':vhost -- Name of the vhost:_default' \
&& ret=0
;;
(limits)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--watch=[Ask again and again, with so much time between, as in 2s]:DURATION:_default' \
'--columns=[Fields to show, with commas between]:FIELDS:(max_connections max_sessions max_retained_bytes max_queued_bytes publish_rate)' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':vhost -- Name of the vhost:_default' \
&& ret=0
;;
(limit)
_arguments "${_arguments_options[@]}" : \
'--max-connections=[Clients at once]:N:_default' \
'--max-sessions=[Sessions, those of absent clients too]:N:_default' \
'--max-retained-bytes=[Bytes of retained messages]:N:_default' \
'--max-queued-bytes=[Bytes that wait in sessions]:N:_default' \
'--publish-rate=[PUBLISHes a second]:N:_default' \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
':vhost -- Name of the vhost:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(definitions)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__definitions_commands" \
"*::: :->definitions" \
&& ret=0

    case $state in
    (definitions)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-definitions-command-$line[1]:"
        case $line[1] in
            (export)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(import)
_arguments "${_arguments_options[@]}" : \
'--at=[Where the broker answers operators\: https\://HOST\:PORT, http\://HOST\:PORT or unix\:PATH]:ADDRESS:_default' \
'--token-file=[File with the token]:FILE:_files' \
'--cacert=[File with the certificates to trust over https \[default\: the system'\''s\]]:FILE:_files' \
'--dry-run[Only check whether the import would succeed]' \
'--json[Print the broker'\''s objects as JSON, one a line]' \
'--yes[Do it without asking back]' \
'-h[Print help]' \
'--help[Print help]' \
':document -- The file; - is standard input:_files' \
&& ret=0
;;
        esac
    ;;
esac
;;
(token)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_ringmq__subcmd__ctl__subcmd__token_commands" \
"*::: :->token" \
&& ret=0

    case $state in
    (token)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:ringmq-ctl-token-command-$line[1]:"
        case $line[1] in
            (ls)
_arguments "${_arguments_options[@]}" : \
'--file=[File with tokens, as --http-tokens names it]:FILE:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(add)
_arguments "${_arguments_options[@]}" : \
'--file=[File with tokens, as --http-tokens names it]:FILE:_default' \
'--rights=[Some of metrics, read, publish, operate and admin, with commas between]:RIGHTS:_default' \
'--vhost=[The only vhost that the token is valid for]:NAME:_default' \
'-h[Print help]' \
'--help[Print help]' \
':name -- Name of the token:_default' \
&& ret=0
;;
(rm)
_arguments "${_arguments_options[@]}" : \
'--file=[File with tokens, as --http-tokens names it]:FILE:_default' \
'-h[Print help]' \
'--help[Print help]' \
':name -- Name of the token:_default' \
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
'--unix-mode=[Mode of the Unix sockets of --listen, in octal; it determines who may connect]:MODE:_default' \
'--unix-owner=[Owner of the Unix sockets of --listen\: USER, USER\:GROUP or \:GROUP \[default\: the user that starts ringmq\]]:OWNER:_default' \
'*--proxy-trust=[Proxies that may connect to listeners with \`,proxy\`, as in 10.0.0.0/8; may be given several times]:CIDR:_default' \
'--user=[User that ringmq switches to once every address is bound]:NAME:_default' \
'*--ws-path=[Path at which WebSocket clients are accepted; may be given several times]:PATH:_default' \
'*--ws-origin=[Origin of web pages that may connect over WebSocket, as in \`https\://app.example.com\`, or \`any\`; may be given several times \[default\: any, but pages of this host alone at loopback addresses\]]:ORIGIN:_default' \
'--passwords=[Users and hashes of their passwords]:FILE:_files' \
'--acl=[What each user may publish and subscribe to, in Mosquitto'\''s syntax]:FILE:_files' \
'--groups=[Consumer groups that exist without members, with their options]:FILE:_files' \
'--vhosts=[Directory with one subdirectory for each vhost]:DIR:_files -/' \
'--default-vhost=[Vhost of clients whose user name is not VHOST\:USER; the files of flags are for it]:NAME:_default' \
'--auth-failures-max=[Wrong passwords from one address within a minute; further logins from it are refused. 0\: no limit]:N:_default' \
'--on-denied=[What happens to a message that its publisher is not allowed to publish]:WHAT:((drop\:"The message is acknowledged, dropped and counted"
disconnect\:"The publisher is disconnected"))' \
'--takeover=[Which clients may take over a client id that is in use, and its session]:WHO:((same-user\:"A client of the same user; an anonymous client if the other one is anonymous too"
any\:"Any client of the vhost"))' \
'*--tls-listen=[Where to accept MQTT over TLS, usually port 8883; may be given several times]:ADDRESS:_default' \
'--tls-cert=[The server'\''s certificate followed by those of its issuers, as PEM]:FILE:_files' \
'--tls-key=[The private key of --tls-cert, as PEM without a password]:FILE:_files' \
'--tls-min=[The oldest version of TLS to accept]:VERSION:((1.2\:"TLS 1.2 and 1.3"
1.3\:"TLS 1.3 only"))' \
'*--tls-sni=[Certificate and key for clients that request this host name; may be given several times]:HOST=CERT,KEY:_default' \
'--tls-client-ca=[Certificates of the issuers of client certificates, as PEM]:FILE:_files' \
'--tls-client=[Whether clients must present a certificate from an issuer in --tls-client-ca]:WHETHER:((required\:"A client without a certificate is refused"
optional\:"A client without a certificate may connect; a certificate that is presented must be valid"))' \
'--tls-identity=[The field of a client certificate that becomes the user name]:WHAT:((cn\:"The subject'\''s common name"
san\:"The first alternative name that is a DNS name, a URI or an e-mail address"
none\:"None; the user name is that of CONNECT"))' \
'*--tls-crl=[A list of revoked client certificates, as PEM; may be given several times]:FILE:_files' \
'--max-connections=[Clients connected at once; one more is answered with CONNACK 3, server unavailable]:N:_default' \
'--max-packet-size=[Largest packet that a client may send, header included; the broker closes the connection of a client that sends a larger one]:BYTES:_default' \
'--max-outgoing-bytes=[Bytes of output that the broker holds for one client that reads too slowly]:BYTES:_default' \
'--qos0-patience=[How long a client that reads too slowly may delay its publishers before the broker drops QoS 0 messages to it; 0\: no time]:DURATION:_default' \
'--gather-max=[How much longer a shard may sleep, or hold back a write to the log, when messages come so often that it then handles several at once; 0\: never longer]:DURATION:_default' \
'--max-inflight=[QoS 1 and 2 messages that were sent to one client and are not yet acknowledged]:N:_default' \
'--address-connections-max=[Open connections of one address (IPv6\: of one /64); further connections are closed. 0\: no limit]:N:_default' \
'--address-connects-per-second=[Connections that one address may open in a second; further ones are closed. 0\: no limit]:N:_default' \
'--client-publish-rate=[Messages that one client may publish in a second; the broker pauses reading from a client that exceeds this. 0\: no limit]:N:_default' \
'--client-publish-bytes=[Bytes of topics and payloads that one client may publish in a second; enforced as --client-publish-rate. 0\: no limit]:BYTES:_default' \
'--max-subscriptions=[Filters that one session may hold; a SUBSCRIBE to a further one is answered 0x80]:N:_default' \
'--max-topic-levels=[Levels that a topic or a filter may have, at most 65535]:N:_default' \
'--topic-alias-max=[Topic aliases that a client may use, and that the broker may use towards it; 0\: none]:N:_default' \
'--keep-alive-max=[Longest keep alive in seconds\: a client that asks for a longer one, or for none, is told to use this one. 0\: no limit]:SECONDS:_default' \
'--check-payload-format=[Whether the broker refuses a payload with code 0x99 if its publisher declares it UTF-8 and it is not]:SWITCH:((on\:"Yes"
off\:"No"))' \
'--group-order=[Which member of a consumer group gets a message]:ORDER:((topic\:"Messages of one publisher and topic are with one member at a time"
sticky\:"A topic stays with one member as long as it is connected"
none\:"The next member that can take the message, in no order"))' \
'--group-max-bytes=[Messages that may wait for one consumer group, in bytes]:BYTES:_default' \
'--group-expiry=[How long a durable consumer group without members is kept, with what waits in it; 0\: not at all]:DURATION:_default' \
'--shards=[Threads that serve clients, 1 to 64 \[default\: CPUs\]]:N:_default' \
'--ring=[Kernel interface that the shards use]:RING:((auto\:"io_uring if it works for every shard; otherwise epoll, with a warning that gives the reason"
io_uring\:"io_uring; if it does not work, the broker does not start"
epoll\:"epoll, which needs more CPU time for each message"))' \
'--data-dir=[Directory for sessions, waiting messages and retained messages; created if it is missing]:DIR:_files -/' \
'--durability=[When a QoS 1 or 2 message counts as stored and is acknowledged]:WHEN:((disk\:"After fdatasync\: the message survives a power loss"
os\:"After the write\: the message survives a killed broker, but not a power loss"))' \
'--session-expiry=[How long the broker keeps the session of an absent client; 0\: for ever]:DURATION:_default' \
'--session-max-bytes=[Messages that may wait for one session, in BYTES or as a share of the file system (P%) \[default\: 10%, at least 1GiB\]]:BYTES|P%:_default' \
'--session-overflow=[What happens to a message for a session that is full]:POLICY:((drop-oldest\:"The oldest waiting messages are dropped"
drop-newest\:"The new message is dropped for this session"
block\:"The publisher waits until there is room"))' \
'*--session-limit=[Bounds of the sessions of one client id, or of all that begin with BEGINNING; may be given 16 times, and the first that names a client holds]:ID|BEGINNING*,bytes=BYTES|P%,overflow=POLICY:_default' \
'--retained-max-count=[Topics that may have a retained message; a message to a further topic is delivered but not retained]:N:_default' \
'--retained-max-bytes=[Bytes of all retained messages with their topics; a message above the limit is delivered but not retained]:BYTES:_default' \
'--disk-low=[Free space of the file system, in BYTES or as a share of its size (P%), below which publishers must wait; 0\: none \[default\: 1GiB, or 5% if that is less\]]:BYTES|P%:_default' \
'--segment-bytes=[Size of the files that hold messages]:BYTES:_default' \
'--http-listen=[Address of the operators'\'' HTTP interface\: ADDR\:PORT, unix or none \[default\: 127.0.0.1\:9883\]]:ADDRESS:_default' \
'--http-tokens=[File of tokens for HTTP requests\: lines of NAME\:SHA256\:RIGHTS \[default\: the token in \`admin.token\` of --data-dir\]]:FILE:_files' \
'--http-cert=[Certificate chain for HTTP over TLS, as PEM, the broker'\''s own certificate first]:FILE:_files' \
'--http-key=[The private key of --http-cert, as PEM without a password]:FILE:_files' \
'*--http-host=[Host name by which operators may address this broker over HTTP; may be repeated]:NAME:_default' \
'--sys-interval=[Time between updates of the topics \$SYS/broker/..., which happen while a client is subscribed to them; 0\: never]:DURATION:_default' \
'*--watch-session=[Sessions with metrics of their own at /metrics/sessions\: VHOST/ID, or VHOST/BEGINNING* for all sessions whose client id begins with BEGINNING; may be given 16 times]:VHOST/ID:_default' \
'--log=[Level of the lines on standard error\: off, error, warn, info, debug or trace]:FILTER:_default' \
'--log-format=[Format of log lines \[default\: text, or journald where standard error is the journal\]]:FORMAT:((text\:"For people\: time in UTC, level, shard, client and message"
json\:"One JSON object for each line"
journald\:"For the journal\: starts with the priority, has no time"))' \
'--log-connections=[Whether clients that connect and disconnect are logged]:WHETHER:((on\:"Yes"
off\:"No"))' \
'--config=[A configuration file in TOML\: each key is the long name of a flag]:FILE:_files' \
'--json[Print the findings as JSON]' \
'--allow-anonymous[Let clients without a user connect through every listener, even if there are users]' \
'--no-pin[Let the system move the shards'\'' threads between CPUs]' \
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
'--unix-mode=[Mode of the Unix sockets of --listen, in octal; it determines who may connect]:MODE:_default' \
'--unix-owner=[Owner of the Unix sockets of --listen\: USER, USER\:GROUP or \:GROUP \[default\: the user that starts ringmq\]]:OWNER:_default' \
'*--proxy-trust=[Proxies that may connect to listeners with \`,proxy\`, as in 10.0.0.0/8; may be given several times]:CIDR:_default' \
'--user=[User that ringmq switches to once every address is bound]:NAME:_default' \
'*--ws-path=[Path at which WebSocket clients are accepted; may be given several times]:PATH:_default' \
'*--ws-origin=[Origin of web pages that may connect over WebSocket, as in \`https\://app.example.com\`, or \`any\`; may be given several times \[default\: any, but pages of this host alone at loopback addresses\]]:ORIGIN:_default' \
'--passwords=[Users and hashes of their passwords]:FILE:_files' \
'--acl=[What each user may publish and subscribe to, in Mosquitto'\''s syntax]:FILE:_files' \
'--groups=[Consumer groups that exist without members, with their options]:FILE:_files' \
'--vhosts=[Directory with one subdirectory for each vhost]:DIR:_files -/' \
'--default-vhost=[Vhost of clients whose user name is not VHOST\:USER; the files of flags are for it]:NAME:_default' \
'--auth-failures-max=[Wrong passwords from one address within a minute; further logins from it are refused. 0\: no limit]:N:_default' \
'--on-denied=[What happens to a message that its publisher is not allowed to publish]:WHAT:((drop\:"The message is acknowledged, dropped and counted"
disconnect\:"The publisher is disconnected"))' \
'--takeover=[Which clients may take over a client id that is in use, and its session]:WHO:((same-user\:"A client of the same user; an anonymous client if the other one is anonymous too"
any\:"Any client of the vhost"))' \
'*--tls-listen=[Where to accept MQTT over TLS, usually port 8883; may be given several times]:ADDRESS:_default' \
'--tls-cert=[The server'\''s certificate followed by those of its issuers, as PEM]:FILE:_files' \
'--tls-key=[The private key of --tls-cert, as PEM without a password]:FILE:_files' \
'--tls-min=[The oldest version of TLS to accept]:VERSION:((1.2\:"TLS 1.2 and 1.3"
1.3\:"TLS 1.3 only"))' \
'*--tls-sni=[Certificate and key for clients that request this host name; may be given several times]:HOST=CERT,KEY:_default' \
'--tls-client-ca=[Certificates of the issuers of client certificates, as PEM]:FILE:_files' \
'--tls-client=[Whether clients must present a certificate from an issuer in --tls-client-ca]:WHETHER:((required\:"A client without a certificate is refused"
optional\:"A client without a certificate may connect; a certificate that is presented must be valid"))' \
'--tls-identity=[The field of a client certificate that becomes the user name]:WHAT:((cn\:"The subject'\''s common name"
san\:"The first alternative name that is a DNS name, a URI or an e-mail address"
none\:"None; the user name is that of CONNECT"))' \
'*--tls-crl=[A list of revoked client certificates, as PEM; may be given several times]:FILE:_files' \
'--max-connections=[Clients connected at once; one more is answered with CONNACK 3, server unavailable]:N:_default' \
'--max-packet-size=[Largest packet that a client may send, header included; the broker closes the connection of a client that sends a larger one]:BYTES:_default' \
'--max-outgoing-bytes=[Bytes of output that the broker holds for one client that reads too slowly]:BYTES:_default' \
'--qos0-patience=[How long a client that reads too slowly may delay its publishers before the broker drops QoS 0 messages to it; 0\: no time]:DURATION:_default' \
'--gather-max=[How much longer a shard may sleep, or hold back a write to the log, when messages come so often that it then handles several at once; 0\: never longer]:DURATION:_default' \
'--max-inflight=[QoS 1 and 2 messages that were sent to one client and are not yet acknowledged]:N:_default' \
'--address-connections-max=[Open connections of one address (IPv6\: of one /64); further connections are closed. 0\: no limit]:N:_default' \
'--address-connects-per-second=[Connections that one address may open in a second; further ones are closed. 0\: no limit]:N:_default' \
'--client-publish-rate=[Messages that one client may publish in a second; the broker pauses reading from a client that exceeds this. 0\: no limit]:N:_default' \
'--client-publish-bytes=[Bytes of topics and payloads that one client may publish in a second; enforced as --client-publish-rate. 0\: no limit]:BYTES:_default' \
'--max-subscriptions=[Filters that one session may hold; a SUBSCRIBE to a further one is answered 0x80]:N:_default' \
'--max-topic-levels=[Levels that a topic or a filter may have, at most 65535]:N:_default' \
'--topic-alias-max=[Topic aliases that a client may use, and that the broker may use towards it; 0\: none]:N:_default' \
'--keep-alive-max=[Longest keep alive in seconds\: a client that asks for a longer one, or for none, is told to use this one. 0\: no limit]:SECONDS:_default' \
'--check-payload-format=[Whether the broker refuses a payload with code 0x99 if its publisher declares it UTF-8 and it is not]:SWITCH:((on\:"Yes"
off\:"No"))' \
'--group-order=[Which member of a consumer group gets a message]:ORDER:((topic\:"Messages of one publisher and topic are with one member at a time"
sticky\:"A topic stays with one member as long as it is connected"
none\:"The next member that can take the message, in no order"))' \
'--group-max-bytes=[Messages that may wait for one consumer group, in bytes]:BYTES:_default' \
'--group-expiry=[How long a durable consumer group without members is kept, with what waits in it; 0\: not at all]:DURATION:_default' \
'--shards=[Threads that serve clients, 1 to 64 \[default\: CPUs\]]:N:_default' \
'--ring=[Kernel interface that the shards use]:RING:((auto\:"io_uring if it works for every shard; otherwise epoll, with a warning that gives the reason"
io_uring\:"io_uring; if it does not work, the broker does not start"
epoll\:"epoll, which needs more CPU time for each message"))' \
'--data-dir=[Directory for sessions, waiting messages and retained messages; created if it is missing]:DIR:_files -/' \
'--durability=[When a QoS 1 or 2 message counts as stored and is acknowledged]:WHEN:((disk\:"After fdatasync\: the message survives a power loss"
os\:"After the write\: the message survives a killed broker, but not a power loss"))' \
'--session-expiry=[How long the broker keeps the session of an absent client; 0\: for ever]:DURATION:_default' \
'--session-max-bytes=[Messages that may wait for one session, in BYTES or as a share of the file system (P%) \[default\: 10%, at least 1GiB\]]:BYTES|P%:_default' \
'--session-overflow=[What happens to a message for a session that is full]:POLICY:((drop-oldest\:"The oldest waiting messages are dropped"
drop-newest\:"The new message is dropped for this session"
block\:"The publisher waits until there is room"))' \
'*--session-limit=[Bounds of the sessions of one client id, or of all that begin with BEGINNING; may be given 16 times, and the first that names a client holds]:ID|BEGINNING*,bytes=BYTES|P%,overflow=POLICY:_default' \
'--retained-max-count=[Topics that may have a retained message; a message to a further topic is delivered but not retained]:N:_default' \
'--retained-max-bytes=[Bytes of all retained messages with their topics; a message above the limit is delivered but not retained]:BYTES:_default' \
'--disk-low=[Free space of the file system, in BYTES or as a share of its size (P%), below which publishers must wait; 0\: none \[default\: 1GiB, or 5% if that is less\]]:BYTES|P%:_default' \
'--segment-bytes=[Size of the files that hold messages]:BYTES:_default' \
'--http-listen=[Address of the operators'\'' HTTP interface\: ADDR\:PORT, unix or none \[default\: 127.0.0.1\:9883\]]:ADDRESS:_default' \
'--http-tokens=[File of tokens for HTTP requests\: lines of NAME\:SHA256\:RIGHTS \[default\: the token in \`admin.token\` of --data-dir\]]:FILE:_files' \
'--http-cert=[Certificate chain for HTTP over TLS, as PEM, the broker'\''s own certificate first]:FILE:_files' \
'--http-key=[The private key of --http-cert, as PEM without a password]:FILE:_files' \
'*--http-host=[Host name by which operators may address this broker over HTTP; may be repeated]:NAME:_default' \
'--sys-interval=[Time between updates of the topics \$SYS/broker/..., which happen while a client is subscribed to them; 0\: never]:DURATION:_default' \
'*--watch-session=[Sessions with metrics of their own at /metrics/sessions\: VHOST/ID, or VHOST/BEGINNING* for all sessions whose client id begins with BEGINNING; may be given 16 times]:VHOST/ID:_default' \
'--log=[Level of the lines on standard error\: off, error, warn, info, debug or trace]:FILTER:_default' \
'--log-format=[Format of log lines \[default\: text, or journald where standard error is the journal\]]:FORMAT:((text\:"For people\: time in UTC, level, shard, client and message"
json\:"One JSON object for each line"
journald\:"For the journal\: starts with the priority, has no time"))' \
'--log-connections=[Whether clients that connect and disconnect are logged]:WHETHER:((on\:"Yes"
off\:"No"))' \
'--config=[A configuration file in TOML\: each key is the long name of a flag]:FILE:_files' \
'--defaults[List the defaults instead of the configured values]' \
'--json[Print JSON]' \
'--allow-anonymous[Let clients without a user connect through every listener, even if there are users]' \
'--no-pin[Let the system move the shards'\'' threads between CPUs]' \
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
'reload:Make a running broker read its configuration and files again, and wait for the result' \
'vhost:List or delete the vhosts of a data directory' \
'session:Delete the session of a client' \
'data:Change the number of shards of a data directory, or back it up' \
'ctl:Send a request to a running broker' \
'check:Read everything that a start would read, report what is wrong, and change nothing' \
'config:Show the configuration' \
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
'show:List all settings\: value, origin, accepted values, and whether a reload changes it' \
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
'status:Show a summary of the metrics' \
'top:Show rates, and the largest sessions' \
'dashboard:Print the address of the page, and a code to sign in' \
'metrics:List metrics, times with their percentiles' \
'check:Tell Nagios whether the broker is well' \
'events:Show clients that come, are refused and leave, as it happens' \
'tail:Show messages that match a filter, as they are published' \
'closed:List the connections that ended last, with reasons' \
'subs:List subscriptions' \
'match:List the sessions that would get a message, and those that would not, with reasons' \
'can:Show whether a client may publish or subscribe, and which rule decides' \
'publish:Publish a message' \
'reload:Make the broker read its configuration and files again' \
'drain:Refuse new clients, and disconnect the others gradually' \
'undrain:Accept new clients again' \
'node:Show the host and the process of the broker' \
'shards:List the shards with what they have and do' \
'listeners:List the listeners' \
'certs:List certificates and their validity' \
'trace:Show what happens to clients or messages, while it happens' \
'clients:List, show or disconnect clients that are connected' \
'sessions:List, rank, show, empty or delete sessions, of connected and absent clients' \
'groups:List, show, empty or end consumer groups' \
'retained:List, show or clear retained messages' \
'config:Show the settings of a running broker' \
'log:Change what a broker logs' \
'users:List, add or delete users' \
'vhosts:List, create, delete or limit vhosts' \
'definitions:Export or import users, rules and limits of all vhosts' \
'token:List, add or remove tokens of a file' \
    )
    _describe -t commands 'ringmq ctl commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__can_commands] )) ||
_ringmq__subcmd__ctl__subcmd__can_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl can commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__certs_commands] )) ||
_ringmq__subcmd__ctl__subcmd__certs_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl certs commands' commands "$@"
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
'evict:Disconnect all clients that match' \
    )
    _describe -t commands 'ringmq ctl clients commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__clients__subcmd__evict_commands] )) ||
_ringmq__subcmd__ctl__subcmd__clients__subcmd__evict_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl clients evict commands' commands "$@"
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
(( $+functions[_ringmq__subcmd__ctl__subcmd__config_commands] )) ||
_ringmq__subcmd__ctl__subcmd__config_commands() {
    local commands; commands=(
'show:List the settings that the broker has now' \
    )
    _describe -t commands 'ringmq ctl config commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__config__subcmd__show_commands] )) ||
_ringmq__subcmd__ctl__subcmd__config__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl config show commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__dashboard_commands] )) ||
_ringmq__subcmd__ctl__subcmd__dashboard_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl dashboard commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__definitions_commands] )) ||
_ringmq__subcmd__ctl__subcmd__definitions_commands() {
    local commands; commands=(
'export:Print users with hashes of their passwords, rules and limits of every vhost, as JSON' \
'import:Replace users, rules and limits of the vhosts that a file names' \
    )
    _describe -t commands 'ringmq ctl definitions commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__definitions__subcmd__export_commands] )) ||
_ringmq__subcmd__ctl__subcmd__definitions__subcmd__export_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl definitions export commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__definitions__subcmd__import_commands] )) ||
_ringmq__subcmd__ctl__subcmd__definitions__subcmd__import_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl definitions import commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__drain_commands] )) ||
_ringmq__subcmd__ctl__subcmd__drain_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl drain commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__events_commands] )) ||
_ringmq__subcmd__ctl__subcmd__events_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl events commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__groups_commands] )) ||
_ringmq__subcmd__ctl__subcmd__groups_commands() {
    local commands; commands=(
'ls:List consumer groups' \
'show:Show a consumer group' \
'members:List the members of a consumer group' \
'rm:End a consumer group with the messages that wait in it' \
'purge:Drop the messages that wait in a consumer group' \
    )
    _describe -t commands 'ringmq ctl groups commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__groups__subcmd__ls_commands] )) ||
_ringmq__subcmd__ctl__subcmd__groups__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl groups ls commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__groups__subcmd__members_commands] )) ||
_ringmq__subcmd__ctl__subcmd__groups__subcmd__members_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl groups members commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__groups__subcmd__purge_commands] )) ||
_ringmq__subcmd__ctl__subcmd__groups__subcmd__purge_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl groups purge commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__groups__subcmd__rm_commands] )) ||
_ringmq__subcmd__ctl__subcmd__groups__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl groups rm commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__groups__subcmd__show_commands] )) ||
_ringmq__subcmd__ctl__subcmd__groups__subcmd__show_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl groups show commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__listeners_commands] )) ||
_ringmq__subcmd__ctl__subcmd__listeners_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl listeners commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__log_commands] )) ||
_ringmq__subcmd__ctl__subcmd__log_commands() {
    local commands; commands=(
'level:Change what is logged, until the next reload or for some time' \
    )
    _describe -t commands 'ringmq ctl log commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__log__subcmd__level_commands] )) ||
_ringmq__subcmd__ctl__subcmd__log__subcmd__level_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl log level commands' commands "$@"
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
(( $+functions[_ringmq__subcmd__ctl__subcmd__node_commands] )) ||
_ringmq__subcmd__ctl__subcmd__node_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl node commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__publish_commands] )) ||
_ringmq__subcmd__ctl__subcmd__publish_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl publish commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__reload_commands] )) ||
_ringmq__subcmd__ctl__subcmd__reload_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl reload commands' commands "$@"
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
'top:List the largest sessions' \
'show:Show one session' \
'rm:Delete a session with its waiting messages, and disconnect its client' \
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
(( $+functions[_ringmq__subcmd__ctl__subcmd__shards_commands] )) ||
_ringmq__subcmd__ctl__subcmd__shards_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl shards commands' commands "$@"
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
(( $+functions[_ringmq__subcmd__ctl__subcmd__tail_commands] )) ||
_ringmq__subcmd__ctl__subcmd__tail_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl tail commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__token_commands] )) ||
_ringmq__subcmd__ctl__subcmd__token_commands() {
    local commands; commands=(
'ls:List the tokens of a file, without their hashes' \
'add:Create a token and add it to a file' \
'rm:Remove a token from a file' \
    )
    _describe -t commands 'ringmq ctl token commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__token__subcmd__add_commands] )) ||
_ringmq__subcmd__ctl__subcmd__token__subcmd__add_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl token add commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__token__subcmd__ls_commands] )) ||
_ringmq__subcmd__ctl__subcmd__token__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl token ls commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__token__subcmd__rm_commands] )) ||
_ringmq__subcmd__ctl__subcmd__token__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl token rm commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__top_commands] )) ||
_ringmq__subcmd__ctl__subcmd__top_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl top commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace_commands() {
    local commands; commands=(
'client:Trace a client' \
'prefix:Trace clients by the beginning of their client id' \
'user:Trace the clients of a user' \
'address:Trace clients from an address or a range' \
'topic:Trace messages of a topic' \
'ls:List the traces that run' \
'end:End a trace that runs' \
'files:List the files that traces have written with --record' \
'get:Print a file of a trace' \
'rm:Delete a file of a trace' \
    )
    _describe -t commands 'ringmq ctl trace commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__address_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__address_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace address commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__client_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__client_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace client commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__end_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__end_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace end commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__files_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__files_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace files commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__get_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__get_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace get commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__ls_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace ls commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__prefix_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__prefix_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace prefix commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__rm_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace rm commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__topic_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__topic_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace topic commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__trace__subcmd__user_commands] )) ||
_ringmq__subcmd__ctl__subcmd__trace__subcmd__user_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl trace user commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__undrain_commands] )) ||
_ringmq__subcmd__ctl__subcmd__undrain_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl undrain commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__users_commands] )) ||
_ringmq__subcmd__ctl__subcmd__users_commands() {
    local commands; commands=(
'ls:List the users of a vhost' \
'add:Add a user, or set another password' \
'rm:Delete a user, and disconnect its clients' \
    )
    _describe -t commands 'ringmq ctl users commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__users__subcmd__add_commands] )) ||
_ringmq__subcmd__ctl__subcmd__users__subcmd__add_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl users add commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__users__subcmd__ls_commands] )) ||
_ringmq__subcmd__ctl__subcmd__users__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl users ls commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__users__subcmd__rm_commands] )) ||
_ringmq__subcmd__ctl__subcmd__users__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl users rm commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__vhosts_commands] )) ||
_ringmq__subcmd__ctl__subcmd__vhosts_commands() {
    local commands; commands=(
'ls:List vhosts with their clients, sessions and limits' \
'add:Create a vhost without users' \
'rm:Delete a vhost'\''s folder, and disconnect its clients' \
'limits:Show the limits of a vhost' \
'limit:Set the limits of a vhost; a limit that is not given is removed' \
    )
    _describe -t commands 'ringmq ctl vhosts commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__add_commands] )) ||
_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__add_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl vhosts add commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__limit_commands] )) ||
_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__limit_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl vhosts limit commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__limits_commands] )) ||
_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__limits_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl vhosts limits commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__ls_commands] )) ||
_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__ls_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl vhosts ls commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__rm_commands] )) ||
_ringmq__subcmd__ctl__subcmd__vhosts__subcmd__rm_commands() {
    local commands; commands=()
    _describe -t commands 'ringmq ctl vhosts rm commands' commands "$@"
}
(( $+functions[_ringmq__subcmd__data_commands] )) ||
_ringmq__subcmd__data_commands() {
    local commands; commands=(
'reshard:Copy the contents of a data directory into a new one with another number of shards' \
'backup:Copy the committed contents of a data directory; a broker may be using it' \
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
'delete:Delete the session of a client, with its subscriptions and waiting messages' \
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
'list:List the number and name of each vhost' \
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
