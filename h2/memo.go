package h2

// memo is a connection's last request, if its block consisted of table references alone. Such a
// block changes no state, so the same bytes mean the same request until another block of the
// connection is decoded; what a client asks for often, and the streams that a proxy or a load
// generator sends together, are equal that far. Memos lie in Shared, each for whichever of many
// connections used it last, so that an idle connection pays nothing.
type memo struct {
	serial uint64 // of the connection, 0: none
	block  []byte
	head   Head
	signal bool
	end    bool
}

func (c *Conn) memo() *memo { return &c.sh.memos[c.serial%memos] }

// memos is how many a loop keeps: for as many busy connections, 20 KB.
const memos = 64

// maxMemo bounds the block that is remembered: one byte a field.
const maxMemo = 32

func (c *Conn) remember(fragments []byte, end bool, s *section) {
	if len(fragments) > maxMemo {
		return
	}
	for _, b := range fragments {
		// RFC 7541 section 6.1: a reference of one byte, which leaves the tables alone.
		if b&0x80 == 0 || b == 0xff {
			return
		}
	}
	m := c.memo()
	m.serial, m.end, m.signal = c.serial, end, s.signal
	m.block = append(m.block[:0], fragments...)
	fields := append(m.head.Fields[:0], s.head.Fields...)
	m.head = s.head
	m.head.Fields = fields
}

// headMemo is the response head that was encoded last. Answers that differ in their content alone
// follow each other often; what is compared is what the head says, so a hit is always right.
type headMemo struct {
	status  int
	fields  []Field
	second  int64 // of the date
	given   int64
	encoded []byte
}

// What a headMemo keeps, and what a comparison costs, is bounded.
const (
	maxMemoFields = 8
	maxMemoHead   = 1 << 10 // bytes
)

func (m *headMemo) matches(r *Response, second int64) bool {
	if m.status != r.Status || m.second != second || len(m.fields) != len(r.Fields) {
		return false
	}
	for i := range m.fields {
		if m.fields[i] != r.Fields[i] {
			return false
		}
	}
	return true
}

func (m *headMemo) keep(r *Response, second int64, encoded []byte, given int64) {
	if len(r.Fields) > maxMemoFields || len(encoded) > maxMemoHead {
		return
	}
	clear(m.fields)
	m.status, m.second, m.given = r.Status, second, given
	m.fields = append(m.fields[:0], r.Fields...)
	m.encoded = append(m.encoded[:0], encoded...)
}
