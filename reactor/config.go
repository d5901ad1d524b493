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
	// Logger gets failures, stalls and replaced engines; default: nothing is logged. Its core is
	// called behind a bounded queue, on a goroutine of its own.
	Logger *zap.Logger

	// MaxConnections is how many connections may be open at once, including those that were dialled;
	// default: as many as the descriptor limit allows. At the limit the connections whose peers have
	// half-closed are closed, oldest first; without any, the listening sockets are left alone until
	// some leave, unless Refuse is set. The descriptor limit less its reserve always holds.
	MaxConnections int
	// Refuse, if set, returns the session of a connection that exceeds MaxConnections, which tells the peer
	// and closes. It is called instead of ListenerConfig.Open.
	Refuse func(*Conn) Session
	// DescriptorReserve is how many descriptors connections leave free, for files, upstreams, logs
	// and replaced engines; default an eighth of the limit, at least 32 and at most 1024.
	DescriptorReserve int

	// WriteHigh is how many bytes a session is asked for at once, and so about how much output of a
	// connection waits in memory; default 128 KiB.
	WriteHigh int
	// WriteLow is how many bytes of it may be left when the session is asked for more; default a quarter of
	// WriteHigh.
	WriteLow int
	// NotsentLowat bounds what the kernel holds of a connection's unsent output
	// (TCP_NOTSENT_LOWAT); default 128 KiB.
	NotsentLowat int
	// ReadBuffer is how many bytes a loop reads at once; default 64 KiB. Each loop has one.
	ReadBuffer int
	// MaxKept is how much input a session may leave unconsumed before reading stops until it is
	// resumed; default 1 MiB.
	MaxKept int

	// HandshakeTimeout bounds TLS handshake and PROXY header together; default 10 s.
	HandshakeTimeout time.Duration
	// LingerTime bounds for how long Conn.Linger reads and throws away what a peer sends, LingerSilence
	// for how long it waits for more; default 30 s and 5 s.
	LingerTime    time.Duration
	LingerSilence time.Duration

	// StallWarn is how long a turn may take before it is logged and other loops accept in its place; default
	// 100 ms; negative: no limit.
	StallWarn time.Duration
	// StallTimeout is how long lent code may keep its loop before the loop goes on without it; default 10 s;
	// negative: no limit.
	StallTimeout time.Duration
	// faultTimeout is how long a turn may run code of ours alone. A goroutine that gets no processor looks the
	// same, so it is at least faultTimeoutLeast.
	faultTimeout time.Duration
	// StallRestarts is how many times a minute a loop may go on without such code before Abort; default 8.
	StallRestarts int
	// Renew, if set, is called first when a Loop goes on after lent code was left behind. It has to replace
	// memory of the Loop that such code may still write to.
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
	faultTimeoutLeast    = 5 * time.Second
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
	setDefault(&cfg.StallWarn, stallWarnDefault)
	setDefault(&cfg.StallTimeout, stallTimeoutDefault)
	setDefault(&cfg.faultTimeout, max(cfg.StallTimeout, faultTimeoutLeast))
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
