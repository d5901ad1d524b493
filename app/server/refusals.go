//go:build linux

package server

import (
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/gatewheel/gatewheel/app/spi"
	"github.com/gatewheel/gatewheel/reactor"
)

// Reason is the reason for which the server refused a request or ended a connection. It is the index of Refusals.
type Reason uint8

// To add a reason: a constant here, its row in reasonTable, and a call of loop.refused where it happens.
const (
	MalformedHTTP1      Reason = iota // HTTP/1 requests that break the grammar or exceed a limit
	MalformedHTTP2                    // HTTP/2 streams that were reset for the peer's mistake (RFC 9113 section 5.4.2)
	TooLargeHTTP2                     // HTTP/2 requests answered with 431
	StreamLimit                       // HTTP/2 streams beyond --h2-max-concurrent-streams
	ConnectionError                   // HTTP/2 connections ended for the peer's mistake (RFC 9113 section 5.4.1)
	Flood                             // HTTP/2 connections ended because a budget was exceeded (by kind: Counts.HTTP2.Calmed)
	PingTimeout                       // HTTP/2 connections whose peer acknowledged no SETTINGS or PING in time
	WebSocketHandshake                // opening handshakes of WebSockets that are none (RFC 6455 section 4.2.1)
	WebSocketOrigin                   // opening handshakes of WebSockets by pages of an origin that is not allowed
	MalformedWebSocket                // WebSockets ended because the peer broke RFC 6455 or a limit
	MessageMemory                     // WebSocket messages for which Config.MessageMemory did not suffice
	ConnectionLimit                   // connections beyond Config.MaxConnections
	DescriptorLimit                   // times that accepting paused for lack of descriptors
	DescriptorShed                    // connections closed to free descriptors after a loop was taken over
	PoolFull                          // jobs refused with app.ErrPoolFull
	HeadTimeout                       // connections whose request head did not arrive in time
	BodyTimeout                       // requests whose content did not arrive in time
	WriteTimeout                      // connections and streams whose peer did not read in time
	IdleTimeout                       // connections closed without a request in progress
	HalfClosedTimeout                 // connections that were closed after their peer's FIN, in time or to make room
	RequestTimeout                    // requests whose handler did not answer in time
	WebSocketTimeout                  // WebSockets whose peer did not answer a ping or a Close frame, or sent nothing
	StallKill                         // connections closed because their handler kept the loop
	ProxyHeader                       // connections without an acceptable PROXY header
	UntrustedForwarding               // requests with forwarding fields from a peer that is not trusted, though others are
	MalformedForwarding               // requests with forwarding fields of a trusted proxy that were not understood
	MemoryIdle                        // connections closed because they were idle while memory was low
	MemoryScarcity                    // requests and connections answered with 503 while memory was scarce
	MemoryCut                         // connections reset because they held the most while memory was critical
	SlowContent                       // requests whose content arrived below Config.MinContentRate
	SlowReading                       // connections and streams whose peer read below Config.MinReadRate
	PeerConnections                   // connections beyond PeerLimits.Connections
	PeerConnectionRate                // connections beyond PeerLimits.ConnectionRate
	PeerHandshakeRate                 // connections whose TLS handshake was beyond PeerLimits.HandshakeRate
	PeerRequests                      // requests beyond PeerLimits.Requests, and HTTP/2 connections that were ended for many
	reasons
)

// reasonTable has the label of each Reason in metrics and /count, the text and level of its log line, and who has ended
// requests for it: spi.EndedByNobody if it ends none, or answers them.
var reasonTable = [reasons]struct {
	label, line string
	level       zapcore.Level
	by          spi.Ender
}{
	MalformedHTTP1:      {"h1-malformed", "malformed HTTP/1 request", zap.DebugLevel, spi.EndedByMalformed},
	MalformedHTTP2:      {"h2-malformed", "malformed HTTP/2 request", zap.DebugLevel, spi.EndedByMalformed},
	TooLargeHTTP2:       {"h2-too-large", "HTTP/2 request fields are too large", zap.DebugLevel, spi.EndedByLimit},
	StreamLimit:         {"h2-stream-limit", "too many HTTP/2 streams on a connection", zap.DebugLevel, spi.EndedByLimit},
	ConnectionError:     {"h2-connection-error", "HTTP/2 connection ended for an error of the peer", zap.DebugLevel, spi.EndedByMalformed},
	Flood:               {"h2-flood", "HTTP/2 connection ended for a flood", zap.WarnLevel, spi.EndedByLimit},
	PingTimeout:         {"h2-ping-timeout", "HTTP/2 peer did not acknowledge in time", zap.DebugLevel, spi.EndedBySlow},
	WebSocketHandshake:  {"websocket-handshake", "WebSocket handshake refused", zap.DebugLevel, spi.EndedByMalformed},
	WebSocketOrigin:     {"websocket-origin", "WebSocket of a foreign origin refused", zap.WarnLevel, spi.EndedByNobody},
	MalformedWebSocket:  {"websocket-error", "WebSocket ended for an error of the peer", zap.DebugLevel, spi.EndedByMalformed},
	MessageMemory:       {"websocket-memory", "too many incomplete WebSocket messages", zap.WarnLevel, spi.EndedByLimit},
	ConnectionLimit:     {"connection-limit", "connection limit reached", zap.WarnLevel, spi.EndedByLimit},
	DescriptorLimit:     {"descriptor-limit", "descriptor limit reached", zap.WarnLevel, spi.EndedByLimit},
	DescriptorShed:      {"descriptor-shed", "connection closed to free a descriptor", zap.WarnLevel, spi.EndedByLimit},
	PoolFull:            {"pool-full", "no room for more work of the application", zap.WarnLevel, spi.EndedByLimit},
	HeadTimeout:         {"head-timeout", "request head timed out", zap.DebugLevel, spi.EndedBySlow},
	BodyTimeout:         {"body-timeout", "request content timed out", zap.DebugLevel, spi.EndedBySlow},
	WriteTimeout:        {"write-timeout", "peer does not read", zap.DebugLevel, spi.EndedBySlow},
	IdleTimeout:         {"idle-timeout", "idle connection closed", zap.DebugLevel, spi.EndedByNobody},
	HalfClosedTimeout:   {"half-closed-timeout", "half-closed connection closed", zap.DebugLevel, spi.EndedByClient},
	RequestTimeout:      {"request-timeout", "handler did not answer in time", zap.WarnLevel, spi.EndedByDeadline},
	WebSocketTimeout:    {"websocket-timeout", "WebSocket timed out", zap.DebugLevel, spi.EndedBySlow},
	StallKill:           {"stall-kill", "connection closed for a stalled handler", zap.WarnLevel, spi.EndedByWatchdog},
	ProxyHeader:         {"proxy-header", "PROXY header refused", zap.WarnLevel, spi.EndedByMalformed},
	UntrustedForwarding: {"forwarding-untrusted", "forwarding fields of an untrusted peer ignored", zap.DebugLevel, spi.EndedByNobody},
	MalformedForwarding: {"forwarding-malformed", "forwarding fields of a proxy not understood", zap.DebugLevel, spi.EndedByNobody},
	MemoryIdle:          {"memory-idle", "idle connection closed to free memory", zap.DebugLevel, spi.EndedByNobody},
	MemoryScarcity:      {"memory-scarce", "request refused for lack of memory", zap.WarnLevel, spi.EndedByLimit},
	MemoryCut:           {"memory-cut", "connection reset for lack of memory", zap.WarnLevel, spi.EndedByLimit},
	SlowContent:         {"slow-content", "request content arrives too slowly", zap.DebugLevel, spi.EndedBySlow},
	SlowReading:         {"slow-reading", "peer reads too slowly", zap.DebugLevel, spi.EndedBySlow},
	PeerConnections:     {"peer-connections", "too many connections of a client", zap.WarnLevel, spi.EndedByLimit},
	PeerConnectionRate:  {"peer-connection-rate", "too many new connections of a client", zap.WarnLevel, spi.EndedByLimit},
	PeerHandshakeRate:   {"peer-handshake-rate", "too many TLS handshakes of a client", zap.WarnLevel, spi.EndedByLimit},
	PeerRequests:        {"peer-requests", "too many requests of a client", zap.WarnLevel, spi.EndedByLimit},
}

// Ender returns who has ended requests for r; spi.EndedByNobody if it ends none.
func (r Reason) Ender() spi.Ender {
	if r < reasons {
		return reasonTable[r].by
	}
	return spi.EndedByNobody
}

// Reasons returns every Reason, in order.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// String returns the label of r in metrics and /count.
func (r Reason) String() string {
	if r < reasons {
		return reasonTable[r].label
	}
	return "unknown"
}

// Refusals has the number of refusals since the start, by Reason.
type Refusals [reasons]uint64

// refusals has the counters of one loop, or of the goroutines that belong to no loop.
type refusals [reasons]atomic.Uint64

// add adds the counters of r. Any goroutine.
func (total *Refusals) add(r *refusals) {
	for i := range r {
		total[i] += r[i].Load()
	}
}

// refused counts a refusal and logs it: one line at most in each loglimit.Interval for each reason. c and err may be
// nil. On the loop.
func (l *loop) refused(reason Reason, c *reactor.Conn, err error) {
	l.count.refusals[reason].Add(1)
	suppressed, ok := l.server.lineDue(reason, l.r.Now())
	if !ok {
		return
	}
	peer := ""
	if c != nil {
		if a := c.RemoteAddr(); a != nil {
			peer = a.String()
		}
	}
	l.server.logRefusal(reason, peer, err, suppressed)
}

// refused is loop.refused for any goroutine. peer is the address of the peer as text, or empty.
func (s *Server) refused(reason Reason, peer string, err error) {
	s.refusals[reason].Add(1)
	if suppressed, ok := s.lineDue(reason, time.Now()); ok {
		s.logRefusal(reason, peer, err, suppressed)
	}
}

// refusedRequest is refused for the request of x; err may be nil. Any goroutine.
func (s *Server) refusedRequest(reason Reason, x *exchange, err error) {
	s.refusals[reason].Add(1)
	if suppressed, ok := s.lineDue(reason, time.Now()); ok {
		s.logRefusal(reason, x.info.PeerString(), err, suppressed, fieldsOf(x)...)
	}
}

// lineDue reports whether a line for reason may be logged at now, and returns the number of lines that were
// suppressed since the last one. Any goroutine.
func (s *Server) lineDue(reason Reason, now time.Time) (suppressed int, ok bool) {
	if !s.log.Core().Enabled(reasonTable[reason].level) {
		return 0, false
	}
	return s.lines[reason].Allow(now)
}

// logRefusal logs a refusal. peer may be empty, err nil. Any goroutine.
func (s *Server) logRefusal(reason Reason, peer string, err error, suppressed int, about ...zap.Field) {
	row := &reasonTable[reason]
	fields := append([]zap.Field{zap.String("reason", row.label)}, about...)
	if peer != "" {
		fields = append(fields, zap.String("peer", peer))
	}
	if err != nil {
		fields = append(fields, zap.String("error", err.Error()))
	}
	s.log.Log(row.level, row.line, append(fields, zap.Int("unlogged", suppressed))...)
}
