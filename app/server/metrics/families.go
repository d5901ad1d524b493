//go:build linux

package metrics

import "github.com/prometheus/client_golang/prometheus"

// family is a metric with its labels. docs/operate.md has a table of all of them.
type family struct {
	name, kind, help string
	labels           []string
	desc             *prometheus.Desc
	// least and most are the exponents of the first and the last bound of a classic histogram, powers of two in seconds.
	least, most int
}

// families are all that Metrics has, besides those of client_golang's collectors of the runtime and the process.
var families []*family

func define(kind, name, help string, labels ...string) *family {
	f := &family{name: name, kind: kind, help: help, labels: labels, desc: prometheus.NewDesc(name, help, labels, nil)}
	families = append(families, f)
	return f
}

func counter(name, help string, labels ...string) *family {
	return define("counter", name, help, labels...)
}

func gauge(name, help string, labels ...string) *family {
	return define("gauge", name, help, labels...)
}

func histogramOf(name, help string, labels ...string) *family {
	return define("histogram", name, help, labels...)
}

// within sets the range of the bounds of a histogram, in powers of two of a second.
func (f *family) within(least, most int) *family {
	f.least, f.most = least, most
	return f
}

// Names by OpenTelemetry's semantic conventions for HTTP. A request is never described by its path or Host, which
// clients choose.
var (
	requestDuration = histogramOf("http_server_request_duration_seconds",
		"Time from the arrival of a request to the end of request and response. WebSockets, tunnels, event streams and hijacked connections are not in it. Status 0 is left empty: no response was sent.",
		"http_request_method", "http_response_status_code", "http_route", "network_protocol_version").within(-12, 6)
	activeRequests = gauge("http_server_active_requests",
		"Requests in progress. 1.1 stands for HTTP/1.0 too.", "network_protocol_version")
	requestSize = histogramOf("http_server_request_body_size_bytes",
		"Content of requests that had some.", "network_protocol_version")
	responseSize = histogramOf("http_server_response_body_size_bytes",
		"Content of responses that was passed to the connection.", "network_protocol_version")
)

// Requests and what became of them.
var (
	terminations = counter("gatewheel_request_terminations_total",
		"Requests that were not completed, by who ended them and in which phase: the two letters of the access log.", "termination")
	lastingBegun = counter("gatewheel_lasting_requests_total",
		"Requests that became a WebSocket, a tunnel, an event stream or a hijacked connection.", "network_protocol_version")
	lastingDuration = histogramOf("gatewheel_lasting_request_duration_seconds",
		"Time from the arrival to the end of those that have ended.", "network_protocol_version").within(-4, 8)
	refusals = counter("gatewheel_refusals_total",
		"Requests refused and connections ended by the server, by reason; the reasons are those of /count and of the log.", "reason")
	failures = counter("gatewheel_request_failures_total",
		"Requests whose handler failed without a status of its own (failed), of these those that panicked (panic), responses that the application broke off (aborted), and requests whose client left first (peer-gone).", "kind")
)

// Connections.
var (
	connections = gauge("gatewheel_connections",
		"Open connections of clients by protocol (HTTP/1.1 stands for HTTP/1.0 too; upgraded: WebSocket over HTTP/1, tunnel or hijacked; undecided: nothing received, or in a TLS handshake) and state: active with a request in progress, else idle.",
		"protocol", "state")
	accepted         = counter("gatewheel_connections_accepted_total", "Connections taken from listening sockets.", "loop")
	limit            = gauge("gatewheel_connections_limit", "Connections that descriptors and --max-connections allow.")
	paused           = gauge("gatewheel_accept_paused", "1 while no connection is accepted because a limit is reached.")
	pauses           = counter("gatewheel_accept_pauses_total", "Times that accepting has paused because a limit was reached.")
	shed             = counter("gatewheel_connections_shed_total", "Connections closed to free descriptors after a stall.")
	clientsKnown     = gauge("gatewheel_limited_clients", "Clients that a limit of --peer-connections, --peer-requests and the like counts now.")
	clientsClosed    = counter("gatewheel_limited_clients_closed_total", "Connections beyond these limits that were closed without an answer.")
	clientsUnlimited = counter("gatewheel_limited_clients_overflow_total", "Connections and requests that were not limited because too many clients were known.")
	bytesIn          = counter("gatewheel_received_bytes_total", "Bytes read from sockets.", "loop")
	bytesOut         = counter("gatewheel_sent_bytes_total", "Bytes taken by the kernel.", "loop")
	hijacked         = gauge("gatewheel_hijacked_connections", "Open connections that the application has taken from HTTP.")
	sockets          = gauge("gatewheel_websockets", "Open WebSockets by the role of this process: server or client.", "role")
	opened           = counter("gatewheel_websockets_opened_total", "WebSockets opened, by role and protocol below.", "role", "protocol")
)

// Loops.
var (
	loopConnections = gauge("gatewheel_loop_connections", "Open connections of a loop, dialled ones included.", "loop")
	turns           = counter("gatewheel_loop_turns_total", "Turns of a loop: runs over its events.", "loop")
	wakes           = counter("gatewheel_loop_wakes_total", "Turns without input, for the inbox and timers alone.", "loop")
	busy            = counter("gatewheel_loop_busy_seconds_total", "Time in turns, estimated from one turn in sixteen.", "loop")
	turnDuration    = histogramOf("gatewheel_loop_turn_duration_seconds", "Time of a turn, of one turn in sixteen.", "loop").within(-18, 2)
	timerLag        = histogramOf("gatewheel_loop_timer_lag_seconds",
		"Time from that for which a timer was set to its turn; of timers that expire together, the first.", "loop").within(-14, 4)
	inbox        = gauge("gatewheel_loop_inbox_tasks", "Tasks of other goroutines that wait for the loop.", "loop")
	stalled      = gauge("gatewheel_loop_stalled", "1 while a turn is longer than --stall-warn.", "loop")
	stalls       = counter("gatewheel_loop_stalls_total", "Turns longer than --stall-warn.", "loop")
	stallTime    = counter("gatewheel_loop_stall_seconds_total", "Time in turns beyond --stall-warn.", "loop")
	kills        = counter("gatewheel_loop_kills_total", "Times that the loop was taken from code that kept it for --stall-timeout.", "loop")
	replacements = counter("gatewheel_loop_replacements_total", "Engines that were replaced, for whatever reason.", "loop")
	loopPanics   = counter("gatewheel_loop_panics_total", "Panics outside of handlers, contained; each has closed a connection at most.", "loop")
	standIns     = counter("gatewheel_loop_stand_in_accepts_total", "Connections that other loops have accepted while this one stalled.", "loop")
	moves        = counter("gatewheel_loop_moved_connections_total", "Connections that came from another loop or engine.", "loop")
	watermarks   = counter("gatewheel_loop_output_watermark_total", "Times that a connection had more output than may be queued at once.", "loop")
	shortWrites  = counter("gatewheel_loop_short_writes_total", "Writes of which the kernel has not taken all: the peer is slower.", "loop")
)

// Memory.
var (
	memoryLimit       = gauge("gatewheel_memory_limit_bytes", "Memory near which the server sheds load: --memory-limit; 0 for none.")
	memoryNeeded      = gauge("gatewheel_memory_needed_bytes", "Memory that no garbage collection would free, as far as the last one knows; 0 without a limit.")
	memoryLevel       = gauge("gatewheel_memory_level", "0 while memory is ample; 1 low: buffers shrink and idle connections are closed; 2 scarce: requests get 503; 3 critical: connections that hold the most are reset.")
	memoryCollections = counter("gatewheel_memory_collections_total", "Garbage collections that were asked for to learn how much memory is needed.")
)

// HTTP/2.
var (
	streams       = gauge("gatewheel_http2_streams", "Open streams of clients.")
	streamsTotal  = counter("gatewheel_http2_streams_total", "Requests over HTTP/2 that reached a handler.")
	resets        = counter("gatewheel_http2_resets_total", "RST_STREAM frames by sender, of client only those for open streams, and by error code (RFC 9113 section 7).", "by", "code")
	windowStalls  = counter("gatewheel_http2_window_resets_total", "Streams reset because the client's windows stayed closed.")
	windowBlocks  = counter("gatewheel_http2_window_blocks_total", "Times that content waited for the client's window of its stream or connection.", "window")
	windowBlocked = counter("gatewheel_http2_window_blocked_seconds_total", "How long it waited; what ends with its connection is not in it.", "window")
	budgets       = counter("gatewheel_http2_budgets_spent_total", "Connections ended with ENHANCE_YOUR_CALM because a budget against abuse was spent.", "budget")
	http2Errors   = counter("gatewheel_http2_connection_errors_total", "Connections ended with GOAWAY for an error.")
)

// TLS.
var (
	handshakes  = counter("gatewheel_tls_handshakes_total", "TLS handshakes completed, of accepted and of dialled connections.", "side", "version", "resumed")
	tlsFailures = counter("gatewheel_tls_failures_total", "TLS connections that failed, by reason.", "side", "reason")
)

// Pools and logs.
var (
	poolJobs   = gauge("gatewheel_pool_jobs", "Jobs of a pool that run or wait: of app.Offload (offload), of package files (files), of app.Go (calls).", "pool", "state")
	poolLimit  = gauge("gatewheel_pool_jobs_limit", "Jobs beyond which the pool refuses more.", "pool")
	poolFull   = counter("gatewheel_pool_jobs_refused_total", "Jobs for which the pool had no room.", "pool")
	blocking   = gauge("gatewheel_blocking_handlers", "Blocking handlers that run on goroutines of their own.")
	logDropped = counter("gatewheel_log_lines_dropped_total", "Log lines lost because nobody took them in time: of the server's log, of the access log.", "log")
	buildInfo  = gauge("gatewheel_build_info", "Always 1, with the versions of the program and of Go.", "version", "go_version")
)

// Connections to other servers.
var (
	dialsUnderWay   = gauge("gatewheel_dials_in_progress", "Connections to other servers that are being opened.")
	dials           = counter("gatewheel_dials_total", "Connections to other servers that were begun.")
	dialFailures    = counter("gatewheel_dial_failures_total", "Those that could not be opened, by stage.", "stage")
	upstreams       = gauge("gatewheel_upstream_connections", "Open connections to other servers.")
	upstreamsOpened = counter("gatewheel_upstream_connections_opened_total", "Connections to other servers that were opened.", "protocol")
	upstreamErrors  = counter("gatewheel_upstream_connection_failures_total", "Connections to other servers that failed, dials included, by reason.", "reason")
	upstreamCalls   = counter("gatewheel_upstream_requests_total", "Requests to other servers that were begun.", "protocol")
	upstreamReused  = counter("gatewheel_upstream_requests_reused_total", "Those on a connection that had served one before.")
)

// The gateway.
var (
	exchanges     = counter("gatewheel_gateway_requests_total", "Requests that the gateway has ended, by reason; ok for a response passed on whole.", "reason")
	tunnels       = gauge("gatewheel_gateway_tunnels", "Open WebSockets through the gateway.")
	lookUps       = counter("gatewheel_gateway_look_up_failures_total", "Look-ups of peers that have failed.")
	mirrored      = counter("gatewheel_gateway_mirrored_total", "Copies of requests: sent, of these failed, and skipped.", "result")
	peerResponses = counter("gatewheel_peer_responses_total", "Heads of responses by backend, peer and class of status, also of those that were tried again.", "backend", "peer", "status_class")
	peerFailures  = counter("gatewheel_peer_failures_total", "Tries that the peer has failed, by reason.", "backend", "peer", "reason")
	peerActive    = gauge("gatewheel_peer_active_requests", "Requests under way at the peer.", "backend", "peer")
	peerWaiting   = gauge("gatewheel_peer_waiting_requests", "Requests that wait for a connection to the peer.", "backend", "peer")
	peerConns     = gauge("gatewheel_peer_connections", "Open connections to the peer.", "backend", "peer")
	peerDials     = counter("gatewheel_peer_dials_total", "Connections to the peer that were begun.", "backend", "peer")
	peerRetries   = counter("gatewheel_peer_retries_total", "Requests that were sent to the peer again.", "backend", "peer")
	peerHealthy   = gauge("gatewheel_peer_healthy", "0 while the peer is out for its answers to health checks.", "backend", "peer")
	peerEjected   = gauge("gatewheel_peer_ejected", "1 while the peer is ejected for failures in a row.", "backend", "peer")
	peerUsable    = gauge("gatewheel_peer_usable", "1 while the peer gets requests.", "backend", "peer")
	peerLatency   = histogramOf("gatewheel_peer_response_duration_seconds", "Time from the choice of the peer to the head of its response.", "backend", "peer").within(-12, 6)
	peerConnect   = histogramOf("gatewheel_peer_connect_duration_seconds", "Time of connecting, TLS included, where it succeeded.", "backend", "peer").within(-12, 4)
)
