package influxdb

import (
	"compress/gzip"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	influxdb2 "github.com/influxdata/influxdb-client-go/v2"

	"tidegauge/engine/outlet"
	"tidegauge/engine/store"
)

// line is what a server reads in one line.
type line struct {
	measurement string
	tags        map[string]string
	fields      map[string]float64
	time        int64
}

// parseLine reads a line of float fields as strictly as the strictest server: what servers read differently is an error.
func parseLine(text string) (line, error) {
	l := line{tags: map[string]string{}, fields: map[string]float64{}}
	if strings.HasPrefix(text, "#") {
		return l, fmt.Errorf("a comment")
	}
	rest := text
	// next reads up to one of the ends, and takes back escapes.
	next := func(special, ends string) (string, byte, error) {
		var b strings.Builder
		for i := 0; i < len(rest); i++ {
			c := rest[i]
			switch {
			case c == '\\' && i+1 < len(rest) && strings.IndexByte(special, rest[i+1]) >= 0:
				if i > 0 && rest[i-1] == '\\' {
					return "", 0, fmt.Errorf("two backslashes before %q", rest[i+1])
				}
				i++
				b.WriteByte(rest[i])
			case strings.IndexByte(ends, c) >= 0:
				rest = rest[i+1:]
				return b.String(), c, nil
			case strings.IndexByte(special, c) >= 0 || c < ' ':
				return "", 0, fmt.Errorf("%q is not escaped", c)
			default:
				b.WriteByte(c)
			}
		}
		return "", 0, fmt.Errorf("no end after %q", b.String())
	}
	var end byte
	var err error
	if l.measurement, end, err = next(", ", ", "); err != nil {
		return l, err
	}
	for end == ',' {
		var key, value string
		if key, _, err = next(", =", "="); err == nil {
			value, end, err = next(", =", ", ")
		}
		if _, twice := l.tags[key]; err != nil || key == "" || value == "" || twice {
			return l, fmt.Errorf("tag %q=%q: %w", key, value, err)
		}
		l.tags[key] = value
	}
	for end = ','; end == ','; {
		var key, value string
		if key, _, err = next(", =", "="); err == nil {
			value, end, err = next(", =", ", ")
		}
		if err != nil {
			return l, err
		}
		if l.fields[key], err = strconv.ParseFloat(value, 64); err != nil {
			return l, err
		}
	}
	l.time, err = strconv.ParseInt(strings.TrimSuffix(rest, "\n"), 10, 64)
	return l, err
}

// taken keeps the body of the last request, and answers 204.
type taken struct{ body string }

func (k *taken) RoundTrip(r *http.Request) (*http.Response, error) {
	unzipped, err := gzip.NewReader(r.Body)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(unzipped)
	k.body = string(text)
	return &http.Response{StatusCode: http.StatusNoContent, Header: http.Header{}, Body: http.NoBody, Request: r}, err
}

// FuzzLines: whatever a series is called and whatever its value, what goes over the wire is one line that every server reads
// alike, with the value to the last bit.
func FuzzLines(f *testing.F) {
	f.Add("up", "job", "payments", 1.0, int64(1700000000123), 0.0)
	f.Add("#m", "time", "C:\\", math.Copysign(0, -1), int64(1), 3.0)
	f.Add("a b,c=d\\", "k\\ ", "v\n,=\\\t", math.NaN(), int64(0), math.Inf(1))
	f.Add("", "", "", math.Inf(-1), int64(-5), math.NaN())
	f.Add("é\\=", "_field", " ", math.SmallestNonzeroFloat64, int64(math.MaxInt32), math.MaxFloat64)
	f.Fuzz(func(t *testing.T, name, key, value string, v float64, at int64, sum float64) {
		if !utf8.ValidString(name+key+value) || name == "" || key == "" || key == "__name__" {
			t.Skip("no series in the store is called so")
		}
		at %= 1 << 42
		var k taken
		client := influxdb2.NewClientWithOptions("http://in-process", "", influxdb2.DefaultOptions().SetHTTPClient(&http.Client{Transport: &k}).SetUseGZip(true).SetPrecision(time.Millisecond))
		w := &Writer{client: client, api: client.WriteAPIBlocking("o", "b"), buckets: true}
		series := &store.Series{Labels: []store.Label{{Name: "__name__", Value: name}, {Name: key, Value: value}}}
		write := func(s outlet.Sample, holds bool) line {
			err := w.Write(t.Context(), []outlet.Sample{s})
			if (err == nil) != holds {
				t.Fatalf("error %v, want one: %v", err, !holds)
			}
			if !holds {
				return line{}
			}
			l, err := parseLine(k.body)
			if err != nil {
				t.Fatalf("%q: %v", k.body, err)
			}
			if l.time != at || l.measurement != measurement(name) || value != "" && l.tags[tagKey(key)] != plain(value) || value == "" && len(l.tags) > 0 {
				t.Errorf("%q is %+v", k.body, l)
			}
			return l
		}
		got := write(outlet.Sample{Point: store.Point{Series: series, Time: at, Value: v}}, finite(v))
		if finite(v) && math.Float64bits(got.fields["value"]) != math.Float64bits(v) {
			t.Errorf("%q for the value %v", k.body, v)
		}
		h := &store.Histogram{Schema: 6, Count: 3, Sum: sum, Positive: []store.Bucket{{Index: -64, Count: 3}}}
		got = write(outlet.Sample{Point: store.Point{Series: series, Time: at, Histogram: h}}, finite(sum))
		if finite(sum) && (math.Float64bits(got.fields["sum"]) != math.Float64bits(sum) || got.fields["count"] != 3 || got.fields["le_inf"] != 3) {
			t.Errorf("%q for a histogram with the sum %v", k.body, sum)
		}
	})
}
