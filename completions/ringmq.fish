# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ringmq_global_optspecs
    string join \n listen= unix-mode= unix-owner= proxy-trust= user= ws-path= ws-origin= passwords= acl= groups= vhosts= default-vhost= allow-anonymous auth-failures-max= on-denied= takeover= tls-listen= tls-cert= tls-key= tls-min= tls-sni= tls-client-ca= tls-client= tls-identity= tls-crl= max-connections= max-packet-size= max-outgoing-bytes= qos0-patience= gather-max= max-inflight= address-connections-max= address-connects-per-second= client-publish-rate= client-publish-bytes= max-subscriptions= max-topic-levels= topic-alias-max= keep-alive-max= check-payload-format= group-order= group-max-bytes= group-expiry= shards= no-pin ring= data-dir= durability= session-expiry= session-max-bytes= session-overflow= session-limit= retained-max-count= retained-max-bytes= disk-low= segment-bytes= http-listen= http-tokens= http-cert= http-key= http-host= sys-interval= watch-session= log= log-format= log-connections= config= h/help V/version
end

function __fish_ringmq_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ringmq_global_optspecs) -- $cmd 2>/dev/null
    or return 0
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ringmq_using_subcommand
    set -l cmd (__fish_ringmq_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ringmq -n "__fish_ringmq_needs_command" -l listen -d 'Where to accept MQTT: ADDR:PORT, NAME:PORT, PORT or unix:PATH; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l unix-mode -d 'Mode of the Unix sockets of --listen, in octal; it determines who may connect' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l unix-owner -d 'Owner of the Unix sockets of --listen: USER, USER:GROUP or :GROUP [default: the user that starts ringmq]' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l proxy-trust -d 'Proxies that may connect to listeners with `,proxy`, as in 10.0.0.0/8; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l user -d 'User that ringmq switches to once every address is bound' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l ws-path -d 'Path at which WebSocket clients are accepted; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l ws-origin -d 'Origin of web pages that may connect over WebSocket, as in `https://app.example.com`, or `any`; may be given several times [default: any, but pages of this host alone at loopback addresses]' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l passwords -d 'Users and hashes of their passwords' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l acl -d 'What each user may publish and subscribe to, in Mosquitto\'s syntax' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l groups -d 'Consumer groups that exist without members, with their options' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l vhosts -d 'Directory with one subdirectory for each vhost' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_needs_command" -l default-vhost -d 'Vhost of clients whose user name is not VHOST:USER; the files of flags are for it' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l auth-failures-max -d 'Wrong passwords from one address within a minute; further logins from it are refused. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l on-denied -d 'What happens to a message that its publisher is not allowed to publish' -r -f -a "drop\t'The message is acknowledged, dropped and counted'
disconnect\t'The publisher is disconnected'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l takeover -d 'Which clients may take over a client id that is in use, and its session' -r -f -a "same-user\t'A client of the same user; an anonymous client if the other one is anonymous too'
any\t'Any client of the vhost'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l tls-listen -d 'Where to accept MQTT over TLS, usually port 8883; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l tls-cert -d 'The server\'s certificate followed by those of its issuers, as PEM' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l tls-key -d 'The private key of --tls-cert, as PEM without a password' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l tls-min -d 'The oldest version of TLS to accept' -r -f -a "1.2\t'TLS 1.2 and 1.3'
1.3\t'TLS 1.3 only'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l tls-sni -d 'Certificate and key for clients that request this host name; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l tls-client-ca -d 'Certificates of the issuers of client certificates, as PEM' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l tls-client -d 'Whether clients must present a certificate from an issuer in --tls-client-ca' -r -f -a "required\t'A client without a certificate is refused'
optional\t'A client without a certificate may connect; a certificate that is presented must be valid'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l tls-identity -d 'The field of a client certificate that becomes the user name' -r -f -a "cn\t'The subject\'s common name'
san\t'The first alternative name that is a DNS name, a URI or an e-mail address'
none\t'None; the user name is that of CONNECT'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l tls-crl -d 'A list of revoked client certificates, as PEM; may be given several times' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l max-connections -d 'Clients connected at once; one more is answered with CONNACK 3, server unavailable' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l max-packet-size -d 'Largest packet that a client may send, header included; the broker closes the connection of a client that sends a larger one' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l max-outgoing-bytes -d 'Bytes of output that the broker holds for one client that reads too slowly' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l qos0-patience -d 'How long a client that reads too slowly may delay its publishers before the broker drops QoS 0 messages to it; 0: no time' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l gather-max -d 'How much longer a shard may sleep, or hold back a write to the log, when messages come so often that it then handles several at once; 0: never longer' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l max-inflight -d 'QoS 1 and 2 messages that were sent to one client and are not yet acknowledged' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l address-connections-max -d 'Open connections of one address (IPv6: of one /64); further connections are closed. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l address-connects-per-second -d 'Connections that one address may open in a second; further ones are closed. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l client-publish-rate -d 'Messages that one client may publish in a second; the broker pauses reading from a client that exceeds this. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l client-publish-bytes -d 'Bytes of topics and payloads that one client may publish in a second; enforced as --client-publish-rate. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l max-subscriptions -d 'Filters that one session may hold; a SUBSCRIBE to a further one is answered 0x80' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l max-topic-levels -d 'Levels that a topic or a filter may have, at most 65535' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l topic-alias-max -d 'Topic aliases that a client may use, and that the broker may use towards it; 0: none' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l keep-alive-max -d 'Longest keep alive in seconds: a client that asks for a longer one, or for none, is told to use this one. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l check-payload-format -d 'Whether the broker refuses a payload with code 0x99 if its publisher declares it UTF-8 and it is not' -r -f -a "on\t'Yes'
off\t'No'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l group-order -d 'Which member of a consumer group gets a message' -r -f -a "topic\t'Messages of one publisher and topic are with one member at a time'
sticky\t'A topic stays with one member as long as it is connected'
none\t'The next member that can take the message, in no order'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l group-max-bytes -d 'Messages that may wait for one consumer group, in bytes' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l group-expiry -d 'How long a durable consumer group without members is kept, with what waits in it; 0: not at all' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l shards -d 'Threads that serve clients, 1 to 64 [default: CPUs]' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l ring -d 'Kernel interface that the shards use' -r -f -a "auto\t'io_uring if it works for every shard; otherwise epoll, with a warning that gives the reason'
io_uring\t'io_uring; if it does not work, the broker does not start'
epoll\t'epoll, which needs more CPU time for each message'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l data-dir -d 'Directory for sessions, waiting messages and retained messages; created if it is missing' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_needs_command" -l durability -d 'When a QoS 1 or 2 message counts as stored and is acknowledged' -r -f -a "disk\t'After fdatasync: the message survives a power loss'
os\t'After the write: the message survives a killed broker, but not a power loss'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l session-expiry -d 'How long the broker keeps the session of an absent client; 0: for ever' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l session-max-bytes -d 'Messages that may wait for one session, in BYTES or as a share of the file system (P%) [default: 10%, at least 1GiB]' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l session-overflow -d 'What happens to a message for a session that is full' -r -f -a "drop-oldest\t'The oldest waiting messages are dropped'
drop-newest\t'The new message is dropped for this session'
block\t'The publisher waits until there is room'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l session-limit -d 'Bounds of the sessions of one client id, or of all that begin with BEGINNING; may be given 16 times, and the first that names a client holds' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l retained-max-count -d 'Topics that may have a retained message; a message to a further topic is delivered but not retained' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l retained-max-bytes -d 'Bytes of all retained messages with their topics; a message above the limit is delivered but not retained' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l disk-low -d 'Free space of the file system, in BYTES or as a share of its size (P%), below which publishers must wait; 0: none [default: 1GiB, or 5% if that is less]' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l segment-bytes -d 'Size of the files that hold messages' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l http-listen -d 'Address of the operators\' HTTP interface: ADDR:PORT, unix or none [default: 127.0.0.1:9883]' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l http-tokens -d 'File of tokens for HTTP requests: lines of NAME:SHA256:RIGHTS [default: the token in `admin.token` of --data-dir]' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l http-cert -d 'Certificate chain for HTTP over TLS, as PEM, the broker\'s own certificate first' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l http-key -d 'The private key of --http-cert, as PEM without a password' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l http-host -d 'Host name by which operators may address this broker over HTTP; may be repeated' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l sys-interval -d 'Time between updates of the topics $SYS/broker/..., which happen while a client is subscribed to them; 0: never' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l watch-session -d 'Sessions with metrics of their own at /metrics/sessions: VHOST/ID, or VHOST/BEGINNING* for all sessions whose client id begins with BEGINNING; may be given 16 times' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l log -d 'Level of the lines on standard error: off, error, warn, info, debug or trace' -r
complete -c ringmq -n "__fish_ringmq_needs_command" -l log-format -d 'Format of log lines [default: text, or journald where standard error is the journal]' -r -f -a "text\t'For people: time in UTC, level, shard, client and message'
json\t'One JSON object for each line'
journald\t'For the journal: starts with the priority, has no time'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l log-connections -d 'Whether clients that connect and disconnect are logged' -r -f -a "on\t'Yes'
off\t'No'"
complete -c ringmq -n "__fish_ringmq_needs_command" -l config -d 'A configuration file in TOML: each key is the long name of a flag' -r -F
complete -c ringmq -n "__fish_ringmq_needs_command" -l allow-anonymous -d 'Let clients without a user connect through every listener, even if there are users'
complete -c ringmq -n "__fish_ringmq_needs_command" -l no-pin -d 'Let the system move the shards\' threads between CPUs'
complete -c ringmq -n "__fish_ringmq_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ringmq -n "__fish_ringmq_needs_command" -s V -l version -d 'Print version'
complete -c ringmq -n "__fish_ringmq_needs_command" -f -a "passwd" -d 'Set or delete the password of a user in a password file'
complete -c ringmq -n "__fish_ringmq_needs_command" -f -a "reload" -d 'Make a running broker read its configuration and files again, and wait for the result'
complete -c ringmq -n "__fish_ringmq_needs_command" -f -a "vhost" -d 'List or delete the vhosts of a data directory'
complete -c ringmq -n "__fish_ringmq_needs_command" -f -a "session" -d 'Delete the session of a client'
complete -c ringmq -n "__fish_ringmq_needs_command" -f -a "data" -d 'Change the number of shards of a data directory, or back it up'
complete -c ringmq -n "__fish_ringmq_needs_command" -f -a "ctl" -d 'Send a request to a running broker'
complete -c ringmq -n "__fish_ringmq_needs_command" -f -a "check" -d 'Read everything that a start would read, report what is wrong, and change nothing'
complete -c ringmq -n "__fish_ringmq_needs_command" -f -a "config" -d 'Show the configuration'
complete -c ringmq -n "__fish_ringmq_using_subcommand passwd" -l iterations -d 'How often SCRAM hashes the password. Each client does so whenever it connects' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand passwd" -l stdin -d 'Read the password from standard input, up to the end of the line'
complete -c ringmq -n "__fish_ringmq_using_subcommand passwd" -l scram -d 'Write keys for SCRAM, which MQTT 5 clients can authenticate with'
complete -c ringmq -n "__fish_ringmq_using_subcommand passwd" -l delete -d 'Delete the user'
complete -c ringmq -n "__fish_ringmq_using_subcommand passwd" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand reload" -l data-dir -d 'Data directory' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_using_subcommand reload" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand vhost; and not __fish_seen_subcommand_from delete list" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand vhost; and not __fish_seen_subcommand_from delete list" -f -a "delete" -d 'Delete a vhost, with its sessions and retained messages'
complete -c ringmq -n "__fish_ringmq_using_subcommand vhost; and not __fish_seen_subcommand_from delete list" -f -a "list" -d 'List the number and name of each vhost'
complete -c ringmq -n "__fish_ringmq_using_subcommand vhost; and __fish_seen_subcommand_from delete" -l data-dir -d 'Data directory' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_using_subcommand vhost; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand vhost; and __fish_seen_subcommand_from list" -l data-dir -d 'Data directory' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_using_subcommand vhost; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand session; and not __fish_seen_subcommand_from delete" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand session; and not __fish_seen_subcommand_from delete" -f -a "delete" -d 'Delete the session of a client, with its subscriptions and waiting messages'
complete -c ringmq -n "__fish_ringmq_using_subcommand session; and __fish_seen_subcommand_from delete" -l vhost -d 'Its vhost' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand session; and __fish_seen_subcommand_from delete" -l data-dir -d 'Data directory' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_using_subcommand session; and __fish_seen_subcommand_from delete" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand data; and not __fish_seen_subcommand_from reshard backup" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand data; and not __fish_seen_subcommand_from reshard backup" -f -a "reshard" -d 'Copy the contents of a data directory into a new one with another number of shards'
complete -c ringmq -n "__fish_ringmq_using_subcommand data; and not __fish_seen_subcommand_from reshard backup" -f -a "backup" -d 'Copy the committed contents of a data directory; a broker may be using it'
complete -c ringmq -n "__fish_ringmq_using_subcommand data; and __fish_seen_subcommand_from reshard" -l shards -d 'Number of shards of the new directory' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand data; and __fish_seen_subcommand_from reshard" -l to -d 'The new directory; it must not exist, or must be empty' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_using_subcommand data; and __fish_seen_subcommand_from reshard" -l skip-damaged -d 'Skip damaged data, and report how much was skipped'
complete -c ringmq -n "__fish_ringmq_using_subcommand data; and __fish_seen_subcommand_from reshard" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand data; and __fish_seen_subcommand_from backup" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "status" -d 'Show a summary of the metrics'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "top" -d 'Show rates, and the largest sessions'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "dashboard" -d 'Print the address of the page, and a code to sign in'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "metrics" -d 'List metrics, times with their percentiles'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "check" -d 'Tell Nagios whether the broker is well'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "events" -d 'Show clients that come, are refused and leave, as it happens'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "tail" -d 'Show messages that match a filter, as they are published'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "closed" -d 'List the connections that ended last, with reasons'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "subs" -d 'List subscriptions'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "match" -d 'List the sessions that would get a message, and those that would not, with reasons'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "can" -d 'Show whether a client may publish or subscribe, and which rule decides'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "publish" -d 'Publish a message'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "reload" -d 'Make the broker read its configuration and files again'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "drain" -d 'Refuse new clients, and disconnect the others gradually'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "undrain" -d 'Accept new clients again'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "node" -d 'Show the host and the process of the broker'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "shards" -d 'List the shards with what they have and do'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "listeners" -d 'List the listeners'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "certs" -d 'List certificates and their validity'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "trace" -d 'Show what happens to clients or messages, while it happens'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "clients" -d 'List, show or disconnect clients that are connected'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "sessions" -d 'List, rank, show, empty or delete sessions, of connected and absent clients'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "groups" -d 'List, show, empty or end consumer groups'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "retained" -d 'List, show or clear retained messages'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "config" -d 'Show the settings of a running broker'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "log" -d 'Change what a broker logs'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "users" -d 'List, add or delete users'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "vhosts" -d 'List, create, delete or limit vhosts'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "definitions" -d 'Export or import users, rules and limits of all vhosts'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and not __fish_seen_subcommand_from status top dashboard metrics check events tail closed subs match can publish reload drain undrain node shards listeners certs trace clients sessions groups retained config log users vhosts definitions token" -f -a "token" -d 'List, add or remove tokens of a file'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from status" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from status" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from status" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from status" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from status" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from top" -l by -d 'What the sessions have most of [default: backlog_bytes]' -r -f -a "backlog_bytes\t''
backlog_messages\t''
dropped\t''
inflight\t''
outgoing\t''
lag\t''
rate\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from top" -l n -d 'Sessions [default: 10]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from top" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from top" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from top" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from top" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from top" -l columns -d 'Fields to show, with commas between' -r -f -a "id\t''
vhost\t''
user\t''
shard\t''
clean\t''
connected\t''
subscriptions\t''
inflight\t''
backlog.messages\t''
backlog.bytes\t''
backlog.lag_seconds\t''
dropped\t''
withheld\t''
absent_seconds\t''
address\t''
listener\t''
connected_at\t''
received.bytes\t''
sent.bytes\t''
protocol\t''
transport\t''
keep_alive\t''
will\t''
certified\t''
state\t''
waits_for\t''
outgoing_bytes\t''
connected_seconds\t''
silent_seconds\t''
bytes_per_second\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from top" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from top" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from dashboard" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from dashboard" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from dashboard" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from dashboard" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from dashboard" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from metrics" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from metrics" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from metrics" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from metrics" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from metrics" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from metrics" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from check" -l warning -d 'certificates, disk: warn below; drops, lag: warn above [default: 14, 10, 0, 60]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from check" -l critical -d 'The same for critical [default: 3, none, 1000, 600]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from check" -l over -d 'Time for which drops are counted [default: 1s]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from check" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from check" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from check" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from check" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from events" -l vhost -d 'Name of a vhost [default: all]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from events" -l kinds -d 'Some of connect, auth and close, with commas between [default: all]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from events" -l seconds -d 'End after so many seconds' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from events" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from events" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from events" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from events" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from events" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from tail" -l vhost -d 'Name of a vhost [default: all]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from tail" -l seconds -d 'End after so many seconds [default: 600]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from tail" -l payload -d 'Bytes of each payload to show [default: 64, and 4096 for tail]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from tail" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from tail" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from tail" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from tail" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from tail" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l id -d 'Exactly this client id' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l id-prefix -d 'Beginning of the client id' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l reason -d 'Reason of the end, as in keep_alive' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l vhost -d 'Name of a vhost' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l limit -d 'Rows [default: 100]; with --all the rows of each request' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l cursor -d 'Where an earlier list ended' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l columns -d 'Fields to show, with commas between' -r -f -a "id\t''
vhost\t''
user\t''
address\t''
reason\t''
says\t''
ago_seconds\t''
connected_seconds\t''
received.bytes\t''
sent.bytes\t''
shard\t''
names_cut\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -l all -d 'List all, however many there are'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from closed" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l client -d 'Of exactly this client' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l filter -d 'Exactly this topic filter' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l vhost -d 'Name of a vhost' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l limit -d 'Rows [default: 100]; with --all the rows of each request' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l cursor -d 'Where an earlier list ended' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l columns -d 'Fields to show, with commas between' -r -f -a "id\t''
vhost\t''
user\t''
filter\t''
qos\t''
clean\t''
connected\t''
suspended\t''
shard\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -l all -d 'List all, however many there are'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from subs" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l qos -d 'Its QoS [default: 0]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l vhost -d 'Name of the vhost [default: /]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l limit -d 'Rows [default: 100]; with --all the rows of each request' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l cursor -d 'Where an earlier list ended' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l columns -d 'Fields to show, with commas between' -r -f -a "id\t''
vhost\t''
user\t''
filter\t''
granted\t''
qos\t''
connected\t''
gets\t''
why\t''
shard\t''
rule.allowed\t''
rule.basis\t''
rule.says\t''
rule.file\t''
rule.line\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -l all -d 'List all, however many there are'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from match" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -l user -d 'User of the client [default: none]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -l client-id -d 'Client id, case sensitive' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -l vhost -d 'Name of the vhost [default: /]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -l columns -d 'Fields to show, with commas between' -r -f -a "allowed\t''
basis\t''
says\t''
file\t''
line\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from can" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from publish" -l file -d 'File with the payload; - is standard input' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from publish" -l qos -d 'Quality [default: 0]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from publish" -l vhost -d 'Name of the vhost [default: /]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from publish" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from publish" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from publish" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from publish" -l retain -d 'Make it the topic\'s retained message'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from publish" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from publish" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from reload" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from reload" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from reload" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from reload" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from reload" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from drain" -l over -d 'Time until the last one is disconnected [default: 60s]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from drain" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from drain" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from drain" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from drain" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from drain" -l yes -d 'Do it without asking back'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from drain" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from undrain" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from undrain" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from undrain" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from undrain" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from undrain" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from node" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from node" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from node" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from node" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from node" -l columns -d 'Fields to show, with commas between' -r -f -a "version\t''
kernel\t''
cpus\t''
pid\t''
started_at\t''
uptime_seconds\t''
shards\t''
cpu_seconds\t''
memory.resident_bytes\t''
memory.virtual_bytes\t''
files.open\t''
files.max\t''
data_dir\t''
disk.free_bytes\t''
disk.size_bytes\t''
disk.low_limit_bytes\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from node" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from node" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from shards" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from shards" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from shards" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from shards" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from shards" -l columns -d 'Fields to show, with commas between' -r -f -a "shard\t''
age_seconds\t''
uptime_seconds\t''
busy_seconds\t''
turns\t''
sleeps\t''
connections\t''
clients\t''
slow_clients\t''
sessions\t''
subscriptions\t''
messages.received\t''
messages.sent\t''
received.bytes\t''
sent.bytes\t''
backlog.bytes\t''
retained.messages\t''
retained.bytes\t''
log.bytes\t''
log.live_bytes\t''
log.uncommitted_bytes\t''
log.segments\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from shards" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from shards" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from listeners" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from listeners" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from listeners" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from listeners" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from listeners" -l columns -d 'Fields to show, with commas between' -r -f -a "at\t''
tls\t''
proxy\t''
local\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from listeners" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from listeners" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from certs" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from certs" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from certs" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from certs" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from certs" -l columns -d 'Fields to show, with commas between' -r -f -a "flag\t''
file\t''
subject\t''
not_before\t''
not_after\t''
days_left\t''"
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from certs" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from certs" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "client" -d 'Trace a client'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "prefix" -d 'Trace clients by the beginning of their client id'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "user" -d 'Trace the clients of a user'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "address" -d 'Trace clients from an address or a range'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "topic" -d 'Trace messages of a topic'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "ls" -d 'List the traces that run'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "end" -d 'End a trace that runs'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "files" -d 'List the files that traces have written with --record'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "get" -d 'Print a file of a trace'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from trace" -f -a "rm" -d 'Delete a file of a trace'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from clients" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from clients" -f -a "ls" -d 'List connected clients'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from clients" -f -a "show" -d 'Show one connected client'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from clients" -f -a "kick" -d 'Disconnect a client'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from clients" -f -a "evict" -d 'Disconnect all clients that match'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from sessions" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from sessions" -f -a "ls" -d 'List sessions'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from sessions" -f -a "top" -d 'List the largest sessions'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from sessions" -f -a "show" -d 'Show one session'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from sessions" -f -a "rm" -d 'Delete a session with its waiting messages, and disconnect its client'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from sessions" -f -a "peek" -d 'Show the first messages that wait in a session'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from sessions" -f -a "purge" -d 'Drop the messages that wait in a session'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from groups" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from groups" -f -a "ls" -d 'List consumer groups'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from groups" -f -a "show" -d 'Show a consumer group'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from groups" -f -a "members" -d 'List the members of a consumer group'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from groups" -f -a "rm" -d 'End a consumer group with the messages that wait in it'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from groups" -f -a "purge" -d 'Drop the messages that wait in a consumer group'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from retained" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from retained" -f -a "ls" -d 'List topics with a retained message'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from retained" -f -a "get" -d 'Show a retained message'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from retained" -f -a "rm" -d 'Clear the retained messages that match a filter'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from config" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from config" -f -a "show" -d 'List the settings that the broker has now'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from log" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from log" -f -a "level" -d 'Change what is logged, until the next reload or for some time'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from users" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from users" -f -a "ls" -d 'List the users of a vhost'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from users" -f -a "add" -d 'Add a user, or set another password'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from users" -f -a "rm" -d 'Delete a user, and disconnect its clients'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -l at -d 'Where the broker answers operators: https://HOST:PORT, http://HOST:PORT or unix:PATH' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -l token-file -d 'File with the token' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -l cacert -d 'File with the certificates to trust over https [default: the system\'s]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -l watch -d 'Ask again and again, with so much time between, as in 2s' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -l json -d 'Print the broker\'s objects as JSON, one a line'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -f -a "ls" -d 'List vhosts with their clients, sessions and limits'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -f -a "add" -d 'Create a vhost without users'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -f -a "rm" -d 'Delete a vhost\'s folder, and disconnect its clients'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -f -a "limits" -d 'Show the limits of a vhost'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from vhosts" -f -a "limit" -d 'Set the limits of a vhost; a limit that is not given is removed'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from definitions" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from definitions" -f -a "export" -d 'Print users with hashes of their passwords, rules and limits of every vhost, as JSON'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from definitions" -f -a "import" -d 'Replace users, rules and limits of the vhosts that a file names'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from token" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from token" -f -a "ls" -d 'List the tokens of a file, without their hashes'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from token" -f -a "add" -d 'Create a token and add it to a file'
complete -c ringmq -n "__fish_ringmq_using_subcommand ctl; and __fish_seen_subcommand_from token" -f -a "rm" -d 'Remove a token from a file'
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l listen -d 'Where to accept MQTT: ADDR:PORT, NAME:PORT, PORT or unix:PATH; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l unix-mode -d 'Mode of the Unix sockets of --listen, in octal; it determines who may connect' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l unix-owner -d 'Owner of the Unix sockets of --listen: USER, USER:GROUP or :GROUP [default: the user that starts ringmq]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l proxy-trust -d 'Proxies that may connect to listeners with `,proxy`, as in 10.0.0.0/8; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l user -d 'User that ringmq switches to once every address is bound' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l ws-path -d 'Path at which WebSocket clients are accepted; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l ws-origin -d 'Origin of web pages that may connect over WebSocket, as in `https://app.example.com`, or `any`; may be given several times [default: any, but pages of this host alone at loopback addresses]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l passwords -d 'Users and hashes of their passwords' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l acl -d 'What each user may publish and subscribe to, in Mosquitto\'s syntax' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l groups -d 'Consumer groups that exist without members, with their options' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l vhosts -d 'Directory with one subdirectory for each vhost' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l default-vhost -d 'Vhost of clients whose user name is not VHOST:USER; the files of flags are for it' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l auth-failures-max -d 'Wrong passwords from one address within a minute; further logins from it are refused. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l on-denied -d 'What happens to a message that its publisher is not allowed to publish' -r -f -a "drop\t'The message is acknowledged, dropped and counted'
disconnect\t'The publisher is disconnected'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l takeover -d 'Which clients may take over a client id that is in use, and its session' -r -f -a "same-user\t'A client of the same user; an anonymous client if the other one is anonymous too'
any\t'Any client of the vhost'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l tls-listen -d 'Where to accept MQTT over TLS, usually port 8883; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l tls-cert -d 'The server\'s certificate followed by those of its issuers, as PEM' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l tls-key -d 'The private key of --tls-cert, as PEM without a password' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l tls-min -d 'The oldest version of TLS to accept' -r -f -a "1.2\t'TLS 1.2 and 1.3'
1.3\t'TLS 1.3 only'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l tls-sni -d 'Certificate and key for clients that request this host name; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l tls-client-ca -d 'Certificates of the issuers of client certificates, as PEM' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l tls-client -d 'Whether clients must present a certificate from an issuer in --tls-client-ca' -r -f -a "required\t'A client without a certificate is refused'
optional\t'A client without a certificate may connect; a certificate that is presented must be valid'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l tls-identity -d 'The field of a client certificate that becomes the user name' -r -f -a "cn\t'The subject\'s common name'
san\t'The first alternative name that is a DNS name, a URI or an e-mail address'
none\t'None; the user name is that of CONNECT'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l tls-crl -d 'A list of revoked client certificates, as PEM; may be given several times' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l max-connections -d 'Clients connected at once; one more is answered with CONNACK 3, server unavailable' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l max-packet-size -d 'Largest packet that a client may send, header included; the broker closes the connection of a client that sends a larger one' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l max-outgoing-bytes -d 'Bytes of output that the broker holds for one client that reads too slowly' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l qos0-patience -d 'How long a client that reads too slowly may delay its publishers before the broker drops QoS 0 messages to it; 0: no time' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l gather-max -d 'How much longer a shard may sleep, or hold back a write to the log, when messages come so often that it then handles several at once; 0: never longer' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l max-inflight -d 'QoS 1 and 2 messages that were sent to one client and are not yet acknowledged' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l address-connections-max -d 'Open connections of one address (IPv6: of one /64); further connections are closed. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l address-connects-per-second -d 'Connections that one address may open in a second; further ones are closed. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l client-publish-rate -d 'Messages that one client may publish in a second; the broker pauses reading from a client that exceeds this. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l client-publish-bytes -d 'Bytes of topics and payloads that one client may publish in a second; enforced as --client-publish-rate. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l max-subscriptions -d 'Filters that one session may hold; a SUBSCRIBE to a further one is answered 0x80' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l max-topic-levels -d 'Levels that a topic or a filter may have, at most 65535' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l topic-alias-max -d 'Topic aliases that a client may use, and that the broker may use towards it; 0: none' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l keep-alive-max -d 'Longest keep alive in seconds: a client that asks for a longer one, or for none, is told to use this one. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l check-payload-format -d 'Whether the broker refuses a payload with code 0x99 if its publisher declares it UTF-8 and it is not' -r -f -a "on\t'Yes'
off\t'No'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l group-order -d 'Which member of a consumer group gets a message' -r -f -a "topic\t'Messages of one publisher and topic are with one member at a time'
sticky\t'A topic stays with one member as long as it is connected'
none\t'The next member that can take the message, in no order'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l group-max-bytes -d 'Messages that may wait for one consumer group, in bytes' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l group-expiry -d 'How long a durable consumer group without members is kept, with what waits in it; 0: not at all' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l shards -d 'Threads that serve clients, 1 to 64 [default: CPUs]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l ring -d 'Kernel interface that the shards use' -r -f -a "auto\t'io_uring if it works for every shard; otherwise epoll, with a warning that gives the reason'
io_uring\t'io_uring; if it does not work, the broker does not start'
epoll\t'epoll, which needs more CPU time for each message'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l data-dir -d 'Directory for sessions, waiting messages and retained messages; created if it is missing' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l durability -d 'When a QoS 1 or 2 message counts as stored and is acknowledged' -r -f -a "disk\t'After fdatasync: the message survives a power loss'
os\t'After the write: the message survives a killed broker, but not a power loss'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l session-expiry -d 'How long the broker keeps the session of an absent client; 0: for ever' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l session-max-bytes -d 'Messages that may wait for one session, in BYTES or as a share of the file system (P%) [default: 10%, at least 1GiB]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l session-overflow -d 'What happens to a message for a session that is full' -r -f -a "drop-oldest\t'The oldest waiting messages are dropped'
drop-newest\t'The new message is dropped for this session'
block\t'The publisher waits until there is room'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l session-limit -d 'Bounds of the sessions of one client id, or of all that begin with BEGINNING; may be given 16 times, and the first that names a client holds' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l retained-max-count -d 'Topics that may have a retained message; a message to a further topic is delivered but not retained' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l retained-max-bytes -d 'Bytes of all retained messages with their topics; a message above the limit is delivered but not retained' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l disk-low -d 'Free space of the file system, in BYTES or as a share of its size (P%), below which publishers must wait; 0: none [default: 1GiB, or 5% if that is less]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l segment-bytes -d 'Size of the files that hold messages' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l http-listen -d 'Address of the operators\' HTTP interface: ADDR:PORT, unix or none [default: 127.0.0.1:9883]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l http-tokens -d 'File of tokens for HTTP requests: lines of NAME:SHA256:RIGHTS [default: the token in `admin.token` of --data-dir]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l http-cert -d 'Certificate chain for HTTP over TLS, as PEM, the broker\'s own certificate first' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l http-key -d 'The private key of --http-cert, as PEM without a password' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l http-host -d 'Host name by which operators may address this broker over HTTP; may be repeated' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l sys-interval -d 'Time between updates of the topics $SYS/broker/..., which happen while a client is subscribed to them; 0: never' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l watch-session -d 'Sessions with metrics of their own at /metrics/sessions: VHOST/ID, or VHOST/BEGINNING* for all sessions whose client id begins with BEGINNING; may be given 16 times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l log -d 'Level of the lines on standard error: off, error, warn, info, debug or trace' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l log-format -d 'Format of log lines [default: text, or journald where standard error is the journal]' -r -f -a "text\t'For people: time in UTC, level, shard, client and message'
json\t'One JSON object for each line'
journald\t'For the journal: starts with the priority, has no time'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l log-connections -d 'Whether clients that connect and disconnect are logged' -r -f -a "on\t'Yes'
off\t'No'"
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l config -d 'A configuration file in TOML: each key is the long name of a flag' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l json -d 'Print the findings as JSON'
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l allow-anonymous -d 'Let clients without a user connect through every listener, even if there are users'
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -l no-pin -d 'Let the system move the shards\' threads between CPUs'
complete -c ringmq -n "__fish_ringmq_using_subcommand check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and not __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and not __fish_seen_subcommand_from show" -f -a "show" -d 'List all settings: value, origin, accepted values, and whether a reload changes it'
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l listen -d 'Where to accept MQTT: ADDR:PORT, NAME:PORT, PORT or unix:PATH; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l unix-mode -d 'Mode of the Unix sockets of --listen, in octal; it determines who may connect' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l unix-owner -d 'Owner of the Unix sockets of --listen: USER, USER:GROUP or :GROUP [default: the user that starts ringmq]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l proxy-trust -d 'Proxies that may connect to listeners with `,proxy`, as in 10.0.0.0/8; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l user -d 'User that ringmq switches to once every address is bound' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l ws-path -d 'Path at which WebSocket clients are accepted; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l ws-origin -d 'Origin of web pages that may connect over WebSocket, as in `https://app.example.com`, or `any`; may be given several times [default: any, but pages of this host alone at loopback addresses]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l passwords -d 'Users and hashes of their passwords' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l acl -d 'What each user may publish and subscribe to, in Mosquitto\'s syntax' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l groups -d 'Consumer groups that exist without members, with their options' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l vhosts -d 'Directory with one subdirectory for each vhost' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l default-vhost -d 'Vhost of clients whose user name is not VHOST:USER; the files of flags are for it' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l auth-failures-max -d 'Wrong passwords from one address within a minute; further logins from it are refused. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l on-denied -d 'What happens to a message that its publisher is not allowed to publish' -r -f -a "drop\t'The message is acknowledged, dropped and counted'
disconnect\t'The publisher is disconnected'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l takeover -d 'Which clients may take over a client id that is in use, and its session' -r -f -a "same-user\t'A client of the same user; an anonymous client if the other one is anonymous too'
any\t'Any client of the vhost'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-listen -d 'Where to accept MQTT over TLS, usually port 8883; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-cert -d 'The server\'s certificate followed by those of its issuers, as PEM' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-key -d 'The private key of --tls-cert, as PEM without a password' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-min -d 'The oldest version of TLS to accept' -r -f -a "1.2\t'TLS 1.2 and 1.3'
1.3\t'TLS 1.3 only'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-sni -d 'Certificate and key for clients that request this host name; may be given several times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-client-ca -d 'Certificates of the issuers of client certificates, as PEM' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-client -d 'Whether clients must present a certificate from an issuer in --tls-client-ca' -r -f -a "required\t'A client without a certificate is refused'
optional\t'A client without a certificate may connect; a certificate that is presented must be valid'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-identity -d 'The field of a client certificate that becomes the user name' -r -f -a "cn\t'The subject\'s common name'
san\t'The first alternative name that is a DNS name, a URI or an e-mail address'
none\t'None; the user name is that of CONNECT'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l tls-crl -d 'A list of revoked client certificates, as PEM; may be given several times' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l max-connections -d 'Clients connected at once; one more is answered with CONNACK 3, server unavailable' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l max-packet-size -d 'Largest packet that a client may send, header included; the broker closes the connection of a client that sends a larger one' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l max-outgoing-bytes -d 'Bytes of output that the broker holds for one client that reads too slowly' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l qos0-patience -d 'How long a client that reads too slowly may delay its publishers before the broker drops QoS 0 messages to it; 0: no time' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l gather-max -d 'How much longer a shard may sleep, or hold back a write to the log, when messages come so often that it then handles several at once; 0: never longer' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l max-inflight -d 'QoS 1 and 2 messages that were sent to one client and are not yet acknowledged' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l address-connections-max -d 'Open connections of one address (IPv6: of one /64); further connections are closed. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l address-connects-per-second -d 'Connections that one address may open in a second; further ones are closed. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l client-publish-rate -d 'Messages that one client may publish in a second; the broker pauses reading from a client that exceeds this. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l client-publish-bytes -d 'Bytes of topics and payloads that one client may publish in a second; enforced as --client-publish-rate. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l max-subscriptions -d 'Filters that one session may hold; a SUBSCRIBE to a further one is answered 0x80' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l max-topic-levels -d 'Levels that a topic or a filter may have, at most 65535' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l topic-alias-max -d 'Topic aliases that a client may use, and that the broker may use towards it; 0: none' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l keep-alive-max -d 'Longest keep alive in seconds: a client that asks for a longer one, or for none, is told to use this one. 0: no limit' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l check-payload-format -d 'Whether the broker refuses a payload with code 0x99 if its publisher declares it UTF-8 and it is not' -r -f -a "on\t'Yes'
off\t'No'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l group-order -d 'Which member of a consumer group gets a message' -r -f -a "topic\t'Messages of one publisher and topic are with one member at a time'
sticky\t'A topic stays with one member as long as it is connected'
none\t'The next member that can take the message, in no order'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l group-max-bytes -d 'Messages that may wait for one consumer group, in bytes' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l group-expiry -d 'How long a durable consumer group without members is kept, with what waits in it; 0: not at all' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l shards -d 'Threads that serve clients, 1 to 64 [default: CPUs]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l ring -d 'Kernel interface that the shards use' -r -f -a "auto\t'io_uring if it works for every shard; otherwise epoll, with a warning that gives the reason'
io_uring\t'io_uring; if it does not work, the broker does not start'
epoll\t'epoll, which needs more CPU time for each message'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l data-dir -d 'Directory for sessions, waiting messages and retained messages; created if it is missing' -r -f -a "(__fish_complete_directories)"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l durability -d 'When a QoS 1 or 2 message counts as stored and is acknowledged' -r -f -a "disk\t'After fdatasync: the message survives a power loss'
os\t'After the write: the message survives a killed broker, but not a power loss'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l session-expiry -d 'How long the broker keeps the session of an absent client; 0: for ever' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l session-max-bytes -d 'Messages that may wait for one session, in BYTES or as a share of the file system (P%) [default: 10%, at least 1GiB]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l session-overflow -d 'What happens to a message for a session that is full' -r -f -a "drop-oldest\t'The oldest waiting messages are dropped'
drop-newest\t'The new message is dropped for this session'
block\t'The publisher waits until there is room'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l session-limit -d 'Bounds of the sessions of one client id, or of all that begin with BEGINNING; may be given 16 times, and the first that names a client holds' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l retained-max-count -d 'Topics that may have a retained message; a message to a further topic is delivered but not retained' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l retained-max-bytes -d 'Bytes of all retained messages with their topics; a message above the limit is delivered but not retained' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l disk-low -d 'Free space of the file system, in BYTES or as a share of its size (P%), below which publishers must wait; 0: none [default: 1GiB, or 5% if that is less]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l segment-bytes -d 'Size of the files that hold messages' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l http-listen -d 'Address of the operators\' HTTP interface: ADDR:PORT, unix or none [default: 127.0.0.1:9883]' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l http-tokens -d 'File of tokens for HTTP requests: lines of NAME:SHA256:RIGHTS [default: the token in `admin.token` of --data-dir]' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l http-cert -d 'Certificate chain for HTTP over TLS, as PEM, the broker\'s own certificate first' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l http-key -d 'The private key of --http-cert, as PEM without a password' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l http-host -d 'Host name by which operators may address this broker over HTTP; may be repeated' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l sys-interval -d 'Time between updates of the topics $SYS/broker/..., which happen while a client is subscribed to them; 0: never' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l watch-session -d 'Sessions with metrics of their own at /metrics/sessions: VHOST/ID, or VHOST/BEGINNING* for all sessions whose client id begins with BEGINNING; may be given 16 times' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l log -d 'Level of the lines on standard error: off, error, warn, info, debug or trace' -r
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l log-format -d 'Format of log lines [default: text, or journald where standard error is the journal]' -r -f -a "text\t'For people: time in UTC, level, shard, client and message'
json\t'One JSON object for each line'
journald\t'For the journal: starts with the priority, has no time'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l log-connections -d 'Whether clients that connect and disconnect are logged' -r -f -a "on\t'Yes'
off\t'No'"
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l config -d 'A configuration file in TOML: each key is the long name of a flag' -r -F
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l defaults -d 'List the defaults instead of the configured values'
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l json -d 'Print JSON'
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l allow-anonymous -d 'Let clients without a user connect through every listener, even if there are users'
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -l no-pin -d 'Let the system move the shards\' threads between CPUs'
complete -c ringmq -n "__fish_ringmq_using_subcommand config; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
