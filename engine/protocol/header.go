package protocol

import (
	"bytes"
	"iter"
	"strings"
)

// Get returns the first header field of that name, without regard to case, or "".
func (r *Response) Get(name string) string {
	v, _ := r.Lookup(name)
	return v
}

// Lookup returns the first header field of that name, without regard to case, and whether there is one.
func (r *Response) Lookup(name string) (string, bool) {
	for i := range r.Header {
		if strings.EqualFold(r.Header[i].Name, name) {
			return r.Header[i].Value, true
		}
	}
	for n, v := range rawFields(r.RawHeader) {
		if len(n) == len(name) && strings.EqualFold(string(n), name) {
			return string(v), true
		}
	}
	return "", false
}

// Fields returns the whole header in the order of the answer. It is a copy.
func (r *Response) Fields() []Field {
	fields := append([]Field(nil), r.Header...)
	for n, v := range rawFields(r.RawHeader) {
		fields = append(fields, Field{string(n), string(v)})
	}
	return fields
}

// rawFields yields the names and values of a header as it came. Lines without a colon are passed over; folded lines
// (obsolete since RFC 7230) are too.
func rawFields(raw []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for len(raw) > 0 {
			line := raw
			if end := bytes.IndexByte(raw, '\n'); end >= 0 {
				line, raw = raw[:end], raw[end+1:]
			} else {
				raw = nil
			}
			colon := bytes.IndexByte(line, ':')
			if colon <= 0 || line[0] == ' ' || line[0] == '\t' {
				continue
			}
			if !yield(bytes.TrimRight(line[:colon], " \t"), bytes.Trim(line[colon+1:], " \t\r")) {
				return
			}
		}
	}
}
