//go:build linux

package reactor

import (
	"runtime"
	"time"

	"go.uber.org/zap"

	"github.com/gatewheel/gatewheel/internal/logqueue"
)

// Config is the configuration of a Reactor. Zero values mean the defaults named here.
type Config struct {
	// Loops is the number of event loops; default GOMAXPROCS.
	Loops int
	// Logger receives failures, stalls and replaced engines; default: no log. It is called through a
	// bounded queue, on a goroutine of its own.
	Logger *zap.Logger

	// MaxConnections is the maximum number of open connections, including dialled ones; default: as
	// many as the descriptor limit allows. At the limit, half-closed connections are closed, oldest
	// first. If there are none, accepting pauses until connections close, or Refuse is called if set. The
	// descriptor limit less DescriptorReserve is an upper bound in any case.
	MaxConnections int
	// Refuse, if set, is called instead of ListenerConfig.Open for a connection beyond MaxConnections, or beyond a
	// limit of Peers: then Conn.PeerRefused has the reason. The session that it returns informs the peer and closes.
	// Without it, connections beyond a limit of Peers are closed.
	Refuse func(*Conn) Session
	// Peers bounds what one peer may take.
	Peers PeerLimits
	// TurnAway, if set, returns what is sent on an accepted connection that no session can be opened for, because the
	// Reactor stops or the connection is lost on its way to a Loop; input is what has arrived, if anything. It is closed then.
	// On any goroutine, also on a loop: it must not block.
	TurnAway func(l *ListenerConfig, input []byte) []byte
	// DescriptorReserve is the number of descriptors that connections leave free, for files, upstreams,
	// logs and replaced engines; default an eighth of the limit, at least 32 and at most 1024.
	DescriptorReserve int

	// WriteHigh is the maximum number of bytes that a session is asked for at once, and about the most
	// that waits in memory per connection; default 128 KiB.
	WriteHigh int
	// WriteLow is the number of waiting bytes at or below which the session is asked for more; default a
	// quarter of WriteHigh.
	WriteLow int
	// NotsentLowat is TCP_NOTSENT_LOWAT, a bound of unsent bytes in the kernel per connection; default
	// 128 KiB.
	NotsentLowat int
	// ReadBuffer is the size of a loop's read buffer in bytes; default 64 KiB.
	ReadBuffer int
	// MaxKept is the number of unconsumed bytes of input at which reading pauses; default 1 MiB.
	MaxKept int

	// HandshakeTimeout is the time for the TLS handshake and the PROXY header together; default 10 s.
	HandshakeTimeout time.Duration
	// LingerTime is the maximum duration of a lingering close, see Conn.Linger; default 30 s.
	// LingerSilence is the maximum time without input within it; default 5 s.
	LingerTime    time.Duration
	LingerSilence time.Duration
	// LingerBytes is the maximum number of bytes that a lingering close reads; default 80 MiB. The connection is then
	// reset, which limits what a peer may send that never reads its response.
	LingerBytes int

	// StallWarn is the duration of a turn beyond which the stall is logged and other loops accept in its
	// place; default 100 ms; negative: no limit.
	StallWarn time.Duration
	// StallTimeout is the time for which lent code may occupy its loop before the loop is taken over;
	// default 10 s; negative: no limit.
	StallTimeout time.Duration
	// faultTimeout is the duration beyond which a turn outside of lent code ends the process. It is at least
	// minFaultTimeout, since a goroutine without a processor looks the same.
	faultTimeout time.Duration
	// shortagePatience is the time for which a lack of descriptors keeps a Loop from starting an engine, or from polling
	// a connection, before it closes connections.
	shortagePatience time.Duration
	// StallReported, if set, is called for each report of a stall that is logged, on the goroutine that logs them.
	StallReported func(StallReport)
	// StallRestarts is the number of takeovers per minute, of all loops together, beyond which Abort is called;
	// default 8.
	StallRestarts int
	// Renew, if set, is called on the loop after a takeover, before other work. It must replace memory of the
	// Loop that the orphaned code may still write to.
	Renew func(*Loop)
	// Abort is called, on a goroutine of its own, when the process cannot go on and should end with ExitAbort;
	// stacks are those of all goroutines. Default: they go to standard error, and the process exits within two
	// seconds, whether they could be written or not.
	Abort func(reason string, stacks []byte)
}

// ExitAbort is the exit code of a process that cannot go on, so that its supervisor restarts it. It is EX_SOFTWARE
// of sysexits.h.
const ExitAbort = 70

const (
	writeHighDefault     = 128 << 10
	notsentLowatDefault  = 128 << 10
	readBufferDefault    = 64 << 10
	maxKeptDefault       = 1 << 20
	stallWarnDefault     = 100 * time.Millisecond
	stallTimeoutDefault  = 10 * time.Second
	stallRestartsDefault = 8
	minFaultTimeout      = 5 * time.Second
	shortagePatience     = 500 * time.Millisecond
)

func (cfg *Config) applyDefaults() {
	setDefault(&cfg.Loops, runtime.GOMAXPROCS(0))
	setDefault(&cfg.WriteHigh, writeHighDefault)
	setDefault(&cfg.WriteLow, cfg.WriteHigh/4)
	setDefault(&cfg.NotsentLowat, notsentLowatDefault)
	setDefault(&cfg.ReadBuffer, readBufferDefault)
	setDefault(&cfg.MaxKept, maxKeptDefault)
	setDefault(&cfg.HandshakeTimeout, HandshakeTimeoutDefault)
	setDefault(&cfg.LingerTime, LingerTimeDefault)
	setDefault(&cfg.LingerSilence, LingerSilenceDefault)
	setDefault(&cfg.LingerBytes, lingerBytesDefault)
	setDefault(&cfg.StallWarn, stallWarnDefault)
	setDefault(&cfg.StallTimeout, stallTimeoutDefault)
	setDefault(&cfg.faultTimeout, max(cfg.StallTimeout, minFaultTimeout))
	setDefault(&cfg.shortagePatience, shortagePatience)
	setDefault(&cfg.StallRestarts, stallRestartsDefault)
	if cfg.Logger == nil {
		cfg.Logger = zap.NewNop()
	}
	cfg.Logger = logqueue.Wrap(cfg.Logger)
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}
