package target

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"strconv"
	"time"

	"github.com/gatewheel/gatewheel/app"
)

const octets = "application/octet-stream"

func bytes(r *app.Request) app.Answer {
	n, err := size("n", r.PathValue(parameter), MaxBytes)
	if err != nil {
		return app.Fail(err)
	}
	if n <= blockSize {
		return app.Ready(app.Blob(200, octets, piece(0, n)))
	}
	offset := int64(0)
	return app.Ready(app.Pulled(200, octets, n, func(p []byte) (int, error) {
		filled := 0
		for filled < len(p) && offset < n {
			k := copy(p[filled:], piece(offset, n-offset))
			filled += k
			offset += int64(k)
		}
		if offset == n {
			return filled, io.EOF
		}
		return filled, nil
	}))
}

func stream(r *app.Request) app.Answer {
	n, err := size("n", r.PathValue(parameter), MaxBytes)
	if err != nil {
		return app.Fail(err)
	}
	return app.Ready(app.Streamed(200, octets, func(w *app.Writer) app.Future[app.Done] {
		return write(w, n)
	}))
}

// write writes the first n bytes of the pattern.
func write(w *app.Writer, n int64) app.Future[app.Done] {
	offset := int64(0)
	more := func(app.Done) (bool, error) { return offset < n, nil }
	return app.While(func() app.Future[bool] {
		part := piece(offset, n-offset)
		offset += int64(len(part))
		return app.Map(w.WriteAll(part), more)
	})
}

// drip sends bytes in parts of size, one at each interval every.
func drip(r *app.Request) app.Answer {
	p := params{r: r}
	total := p.size("bytes", 10, MaxBytes)
	part := p.size("size", 1, MaxBytes)
	every := p.duration("every", time.Second)
	if part == 0 {
		p.note(app.Statusf(400, "size is at least 1 byte"))
	}
	if p.err != nil {
		return p.refusal()
	}
	resp := app.Streamed(200, octets, func(w *app.Writer) app.Future[app.Done] {
		return drops(w, total, part, every)
	})
	resp.Content.(*app.Stream).Size = total
	return app.Ready(resp)
}

func drops(w *app.Writer, total, part int64, every time.Duration) app.Future[app.Done] {
	left := total
	return app.While(func() app.Future[bool] {
		if left == 0 {
			return app.Ready(false)
		}
		n := min(part, left)
		left -= n
		return app.Then(write(w, n), func(app.Done) app.Future[bool] {
			if left == 0 {
				return app.Ready(false)
			}
			return app.Map(app.Sleep(w.Request(), every), func(app.Done) (bool, error) { return true, nil })
		})
	})
}

type uploaded struct {
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// unlimited is the rate if none is given.
const unlimited = -1

// upload reads the content, with ?rate= at that many bytes a second, and answers with its length and hash.
func upload(r *app.Request) app.Answer {
	p := params{r: r}
	rate := p.size("rate", unlimited, 1<<40)
	if rate == 0 {
		p.note(app.Statusf(400, "rate is at least 1 byte a second"))
	}
	if p.err != nil {
		return p.refusal()
	}
	in := &intake{r: r, hash: sha256.New(), rate: rate, begun: r.Loop().Now()}
	return app.Map(r.Body.Each(uploadBuffer(rate), in.take), func(n int64) (*app.Response, error) {
		return app.JSON(200, uploaded{n, hex.EncodeToString(in.hash.Sum(nil))}), nil
	})
}

// uploadBuffer returns a buffer for a tenth of a second at rate, so that a low rate is even; nil if the body's own
// buffer suffices.
func uploadBuffer(rate int64) []byte {
	const enough = 32 << 10
	if rate == unlimited || rate/10 >= enough {
		return nil
	}
	return make([]byte, max(rate/10, 1))
}

type intake struct {
	r     *app.Request
	hash  hash.Hash
	rate  int64
	begun time.Time
	total int64
}

func (in *intake) take(p []byte) app.Future[app.Done] {
	in.hash.Write(p)
	in.total += int64(len(p))
	if in.rate == unlimited {
		return app.Ready(app.Done{})
	}
	due := time.Duration(float64(in.total) / float64(in.rate) * float64(time.Second))
	return app.Sleep(in.r, due-in.r.Loop().Now().Sub(in.begun))
}

// trailers answers with content and trailer fields that describe it.
func trailers(r *app.Request) app.Answer {
	const content = "The trailers tell the length and the SHA-256 of this line.\n"
	resp := app.Streamed(200, "text/plain; charset=utf-8", func(w *app.Writer) app.Future[app.Done] {
		sum := sha256.Sum256([]byte(content))
		w.Trailer("Content-Bytes", strconv.Itoa(len(content)))
		w.Trailer("Content-SHA256", hex.EncodeToString(sum[:]))
		return w.WriteString(content)
	})
	return app.Ready(resp.With("Trailer", "Content-Bytes, Content-SHA256"))
}
