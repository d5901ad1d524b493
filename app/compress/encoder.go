package compress

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// zstdWindow is the window of the encoder in bytes, which is most of the memory of a
// compressed stream. HTTP allows up to 8 MiB (RFC 9659).
const zstdWindow = 256 << 10

// encoder encodes into a buffer.
type encoder struct {
	out  bytes.Buffer
	sink interface {
		io.WriteCloser
		Flush() error
		Reset(io.Writer)
	}
	home *sync.Pool
}

// encoders has unused encoders by coding. Setting one up costs more than a small response.
type encoders map[coding]*sync.Pool

func newEncoders(level int) encoders {
	pools := encoders{}
	pools[gzipped] = &sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(nil, level)
		if err != nil {
			panic(err) // New has checked the level
		}
		return &encoder{sink: w, home: pools[gzipped]}
	}}
	pools[zstded] = &sync.Pool{New: func() any {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(zstdWindow))
		if err != nil {
			panic(err) // the options are constants
		}
		return &encoder{sink: w, home: pools[zstded]}
	}}
	return pools
}

func (e encoders) get(c coding) *encoder {
	enc := e[c].Get().(*encoder)
	enc.out = bytes.Buffer{}
	enc.sink.Reset(&enc.out)
	return enc
}

// release returns the encoder for reuse.
func (e *encoder) release() {
	e.out = bytes.Buffer{}
	e.sink.Reset(nil)
	e.home.Put(e)
}

// whole returns b encoded.
func (e *encoder) whole(b []byte) ([]byte, error) {
	if _, err := e.sink.Write(b); err != nil {
		return nil, err
	}
	if err := e.sink.Close(); err != nil {
		return nil, err
	}
	return e.out.Bytes(), nil
}
