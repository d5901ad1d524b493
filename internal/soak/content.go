//go:build linux

package soak

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

var contentElements = []element{
	{"uploads", 10, (*operation).upload, false},
	{"echoes", 8, (*operation).echo, false},
	{"downloads without a length", 8, (*operation).download, false},
	{"files, ranges and conditions", 8, (*operation).file, false},
	{"trailers", 3, (*operation).trailers, false},
	{"our own client through the gateway", 4, (*operation).fanout, true},
}

// withoutLength hides the length of content, so that it is sent in chunks, or over HTTP/2 without content-length.
type withoutLength struct{ io.Reader }

// upload sends content, whose length and digest are the answer.
func (op *operation) upload() error {
	p := op.protocol()
	client, done := op.client(p, op.rand.IntN(2) == 0)
	defer done()
	content := op.bytes(op.size())
	w := want{status: 200, length: -1, check: func(a *answer) error {
		var got struct {
			Bytes  int
			SHA256 string
		}
		if err := json.Unmarshal(a.text, &got); err != nil {
			return wrong("%v: %.200q", err, a.text)
		}
		sum := sha256.Sum256(content)
		if got.Bytes != len(content) || got.SHA256 != hex.EncodeToString(sum[:]) {
			return wrong("%d bytes were sent, and the answer is %.200q", len(content), a.text)
		}
		return nil
	}}
	return op.post(client, p, "/upload", content, w)
}

// echo sends content, which is the answer.
func (op *operation) echo() error {
	p := op.protocol()
	client, done := op.client(p, op.rand.IntN(2) == 0)
	defer done()
	content := op.bytes(op.size())
	return op.post(client, p, "/echo?after=1", content, ofBytes(content))
}

// post sends content by PUT, which may be repeated, or by POST, with its length or, where it may not be repeated,
// without.
func (op *operation) post(client *http.Client, p protocol, path string, content []byte, w want) error {
	switch op.rand.IntN(3) {
	case 0:
		return op.request(client, p, http.MethodPut, path, nil, bytes.NewReader(content), w)
	case 1:
		return op.request(client, p, http.MethodPost, path, nil, bytes.NewReader(content), w)
	default:
		return op.request(client, p, http.MethodPost, path, nil, withoutLength{bytes.NewReader(content)}, w)
	}
}

func (op *operation) download() error {
	p := op.protocol()
	client, done := op.client(p, op.rand.IntN(2) == 0)
	defer done()
	size := []int{0, 1, 70_000, 1 << 20, 3 << 20}[op.rand.IntN(5)]
	return op.request(client, p, http.MethodGet, fmt.Sprintf("/stream/%d", size), nil, nil, ofPattern(size))
}

// file asks for a file, a part of it, and whether it has changed.
func (op *operation) file() error {
	p := op.protocol()
	client, done := op.client(p, true)
	defer done()
	name := fmt.Sprintf("file%d.bin", op.rand.IntN(len(op.files)))
	content := op.files[name]
	path, tag := "/file/"+name, ""
	whole := ofBytes(content)
	whole.check = func(a *answer) error {
		if tag = a.Header.Get("ETag"); tag == "" {
			return wrong("a file without an ETag")
		}
		return nil
	}
	if err := op.request(client, p, http.MethodGet, path, nil, nil, whole); err != nil || tag == "" {
		return err
	}
	unchanged := http.Header{"If-None-Match": {tag}}
	if err := op.request(client, p, http.MethodGet, path, unchanged, nil, want{status: http.StatusNotModified, length: 0, sum: sha256.Sum256(nil)}); err != nil {
		return err
	}
	if len(content) < 2 {
		return nil
	}
	from := op.rand.IntN(len(content) - 1)
	to := from + op.rand.IntN(len(content)-from)
	part := ofBytes(content[from : to+1])
	part.status = http.StatusPartialContent
	return op.request(client, p, http.MethodGet, path, http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", from, to)}}, nil, part)
}

// trailers asks for content whose trailers tell its length and digest.
func (op *operation) trailers() error {
	p := op.protocol()
	client, done := op.client(p, true)
	defer done()
	return op.request(client, p, http.MethodGet, "/trailers", http.Header{"Te": {"trailers"}}, nil, want{status: 200, length: -1,
		check: func(a *answer) error {
			sum := sha256.Sum256(a.text)
			if a.Trailer.Get("Content-Bytes") != strconv.Itoa(len(a.text)) || a.Trailer.Get("Content-SHA256") != hex.EncodeToString(sum[:]) {
				return wrong("the trailers of %q are %v", a.text, a.Trailer)
			}
			return nil
		}})
}

// fanout lets the application ask itself by its own client, through the gateway and directly.
func (op *operation) fanout() error {
	p := op.protocol()
	client, done := op.client(p, true)
	defer done()
	const asked = 6
	path := fmt.Sprintf("/fanout?n=%d&delay=1ms:80,50ms:20&seed=%d&deadline=30s&backend=h2c://%s&backend=http://%s&backend=h2c://%s",
		asked, op.number, op.gateway.plain, op.gateway.plain, op.serve.plain)
	return op.request(client, p, http.MethodGet, path, nil, nil, want{status: 200, length: -1, check: func(a *answer) error {
		var got struct {
			Came    int
			Answers []struct{ Status int }
		}
		if err := json.Unmarshal(a.text, &got); err != nil {
			return wrong("%v: %.200q", err, a.text)
		}
		for _, each := range got.Answers {
			if each.Status != 200 {
				return wrong("of %d requests %d were answered: %s", asked, got.Came, a.text)
			}
		}
		return nil
	}})
}
