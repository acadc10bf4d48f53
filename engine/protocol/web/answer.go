package web

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/valyala/fasthttp"

	"tidegauge/engine/protocol"
)

// invalid is what is wrong with an answer, in words for a person.
type invalid string

func (e invalid) Error() string { return string(e) }

const errLongHeader = invalid("header of the answer is longer than 64 KiB")

// readHeader reads up to the header of the answer that counts, past interim ones, and returns when its first byte came, from
// when the request was sent.
func (c *Client) readHeader(k *conn, resp *protocol.Response, first time.Duration) (time.Duration, error) {
	for range maxInterim {
		block, err := c.headerBlock(k)
		if err != nil {
			return first, err
		}
		left := c.reader.Buffered() - len(block)
		if err := c.answer.Header.Read(c.reader); err != nil || c.reader.Buffered() != left {
			return first, notHTTP(block, err)
		}
		resp.Status = c.answer.Header.StatusCode()
		if resp.Status >= 200 || resp.Status == fasthttp.StatusSwitchingProtocols {
			resp.RawHeader = append(resp.RawHeader[:0], block[bytes.IndexByte(block, '\n')+1:]...)
			return first, nil
		}
		if _, err := c.reader.Peek(1); err != nil {
			return first, err
		}
		first = time.Since(resp.Sent)
	}
	return first, invalid("more than 100 interim answers")
}

// headerBlock reads until a whole header is in the reader's buffer and returns it, the empty line included. It stays in the
// buffer, and valid until the next read.
func (c *Client) headerBlock(k *conn) ([]byte, error) {
	for from := 0; ; {
		b, err := c.reader.Peek(c.reader.Buffered())
		if err != nil {
			return nil, err
		}
		if from == 0 {
			// Line ends before an answer are left over from the one before it (RFC 9112 section 2.2).
			if blank := len(b) - len(bytes.TrimLeft(b, "\r\n")); blank > 0 {
				if _, err := c.reader.Discard(blank); err != nil {
					return nil, err
				}
				b = b[blank:]
			}
			if len(b) >= len("HTTP/") && !bytes.HasPrefix(b, []byte("HTTP/")) {
				return nil, notHTTP(b, nil)
			}
		}
		end := headerEnd(b, from)
		if end > 0 && bytes.HasSuffix(b[:end], []byte("\r\n\r\n")) {
			return b[:end], nil
		}
		if end > 0 {
			return c.mend(k, b, end)
		}
		from = max(len(b)-3, 0)
		if len(b) == c.reader.Size() {
			if len(b) >= maxHeader {
				return nil, errLongHeader
			}
			c.reader = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(slices.Clone(b)), k), maxHeader)
			from = len(b) - 3
		}
		if _, err := c.reader.Peek(len(b) + 1); err != nil {
			return nil, err
		}
	}
}

// mend puts a header whose lines end in LF alone back into the reader as fasthttp wants it. (RFC 9112 section 2.2 lets us be
// lenient, and every other client is.)
func (c *Client) mend(k *conn, b []byte, end int) ([]byte, error) {
	all := bytes.ReplaceAll(bytes.ReplaceAll(b[:end], []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	header := len(all)
	all = append(all, b[end:]...) // so that whatever came is in the buffer, and counted there
	c.reader = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(all), k), len(all)+readBuffer)
	if _, err := c.reader.Peek(len(all)); err != nil {
		return nil, err
	}
	return c.reader.Peek(header)
}

// headerEnd returns the length of the header b begins with, the empty line included, or 0 if it is not complete. The
// line ends before from have been looked at.
func headerEnd(b []byte, from int) int {
	for i := from; ; i++ {
		n := bytes.IndexByte(b[i:], '\n')
		if n < 0 {
			return 0
		}
		i += n
		switch rest := b[i+1:]; {
		case len(rest) > 0 && rest[0] == '\n':
			return i + 2
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return i + 3
		}
	}
}

// readBody reads the body of the answer whose header was read: into resp, or, if it is encoded, to where decode finds it.
func (c *Client) readBody(req *protocol.Request, resp *protocol.Response) error {
	c.encoded = c.encoded[:0]
	if c.hop.method == "HEAD" || resp.Status < 200 || resp.Status == fasthttp.StatusNoContent || resp.Status == fasthttp.StatusNotModified {
		return nil
	}
	to := &resp.Body
	if len(c.answer.Header.ContentEncoding()) > 0 && !req.IgnoreBody {
		to = &c.encoded
	}
	length := c.answer.Header.ContentLength()
	c.answer.SwapBody((*to)[:0])
	err := c.answer.ReadBody(c.reader, int(c.options.MaxResponseBytes))
	*to = c.answer.SwapBody(nil)
	if err == nil && length == -1 {
		err = c.answer.Header.ReadTrailer(c.reader)
	}
	switch {
	case err == nil:
		resp.BodyBytes = int64(len(*to))
		return nil
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		return invalid("answer longer than " + size(c.options.MaxResponseBytes))
	case length == -1:
		return fmt.Errorf("%w: %w", invalid("chunked body is not valid"), err)
	}
	return err
}

// closing reports whether the server closes the connection after this answer.
func (c *Client) closing(resp *protocol.Response) bool {
	switch {
	case resp.Status == fasthttp.StatusSwitchingProtocols:
		return true
	case !c.answer.Header.ConnectionClose():
		return false
	case c.hop.method != "HEAD" || c.answer.Header.ContentLength() >= 0:
		return true
	}
	// fasthttp takes a header without Content-Length for one whose body ends with the connection; that of HEAD has no body.
	return !bytes.Equal(c.answer.Header.Protocol(), []byte("HTTP/1.1")) || hasToken(resp.Get("Connection"), "close")
}

// decode undoes the Content-Encoding of the body. An encoding that is not known leaves it as it is.
func (c *Client) decode(req *protocol.Request, resp *protocol.Response) protocol.Outcome {
	if len(c.encoded) == 0 || req.IgnoreBody {
		return protocol.OK
	}
	c.answer.SwapBody(c.encoded)
	body, err := c.answer.BodyUncompressedWithLimit(int(c.options.MaxResponseBytes))
	c.encoded = c.answer.SwapBody(nil)
	switch {
	case err == nil:
		resp.Body = body
		return protocol.OK
	case errors.Is(err, fasthttp.ErrContentEncodingUnsupported):
		resp.Body, c.encoded = c.encoded, resp.Body
		return protocol.OK
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		resp.Detail = "answer longer than " + size(c.options.MaxResponseBytes) + " when decoded"
	default:
		resp.Detail = "body is not valid " + string(c.answer.Header.ContentEncoding())
	}
	return protocol.Body
}
