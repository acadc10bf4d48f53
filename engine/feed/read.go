package feed

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// MaxBytes is the size of the largest file that is read. In memory its rows take several times as much.
const MaxBytes = 256 << 20

// Error is a mistake in a data file.
type Error struct {
	File         string
	Line, Column int // from 1, columns in bytes; 0 where the mistake has no place
	Message      string
}

// Error returns file:line:column: message.
func (e *Error) Error() string {
	if e.Line == 0 {
		return e.File + ": " + e.Message
	}
	return fmt.Sprintf("%s:%d:%d: %s", e.File, e.Line, e.Column, e.Message)
}

// Open reads the whole file. Errors name the file and, where it has them, line and column (see [Error]).
func Open(o Options) (*Feed, error) {
	if o.Order == "" {
		o.Order = Sequential
	}
	if !slices.Contains(Orders(), o.Order) {
		return nil, &Error{File: o.File, Message: fmt.Sprintf("unknown order %q, expected one of %v", o.Order, Orders())}
	}
	format, err := o.format()
	if err != nil {
		return nil, err
	}
	content, err := read(o.File)
	if err != nil {
		return nil, err
	}
	t, err := parse(format, content)
	if err != nil {
		if e, ok := errors.AsType[*Error](err); ok {
			e.File = o.File
		}
		return nil, err
	}
	return &Feed{order: o.Order, columns: t.columns, rows: t.rows}, nil
}

// format returns the format, by the file's name if none is given.
func (o *Options) format() (string, error) {
	format := o.Format
	if format == "" {
		format = strings.ToLower(strings.TrimPrefix(filepath.Ext(o.File), "."))
	}
	if !slices.Contains(Formats(), format) {
		what := fmt.Sprintf("unknown format %q", o.Format)
		if o.Format == "" {
			what = "cannot tell the format from the file's name"
		}
		return "", &Error{File: o.File, Message: fmt.Sprintf("%s, expected one of %v", what, Formats())}
	}
	return format, nil
}

func read(file string) (_ []byte, err error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	content, err := io.ReadAll(io.LimitReader(f, MaxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading data: %w", err)
	}
	if len(content) > MaxBytes {
		return nil, &Error{File: file, Message: fmt.Sprintf("the file is larger than %d MiB, the most that is read", MaxBytes>>20)}
	}
	return content, nil
}

// table is a file's content.
type table struct {
	columns []string
	rows    []Row
	known   map[string]bool // the columns as a set, where rows may differ
}

// parse reads content in one of the formats. Errors are of type *Error, without File.
func parse(format string, content []byte) (*table, error) {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	if len(bytes.TrimSpace(content)) == 0 {
		return nil, &Error{Message: "the file is empty, expected rows of data"}
	}
	var t *table
	var err error
	switch format {
	case "csv":
		t, err = parseCSV(content)
	case "json":
		t, err = parseJSON(content)
	default:
		t, err = parseLines(content)
	}
	if err != nil {
		return nil, err
	}
	if len(t.rows) == 0 {
		return nil, &Error{Message: "the file has no rows, expected at least one"}
	}
	return t, nil
}

// parseCSV reads RFC 4180 with a header row.
func parseCSV(content []byte) (*table, error) {
	r := csv.NewReader(bytes.NewReader(content))
	r.FieldsPerRecord = -1
	r.ReuseRecord = true
	header, err := r.Read()
	if err != nil {
		return nil, csvError(err)
	}
	t := &table{columns: slices.Clone(header)}
	for i, name := range t.columns {
		line, column := r.FieldPos(i)
		if name == "" {
			return nil, &Error{Line: line, Column: column, Message: fmt.Sprintf("column %d has no name", i+1)}
		}
		if slices.Contains(t.columns[:i], name) {
			return nil, &Error{Line: line, Column: column, Message: fmt.Sprintf("column %q is there twice", name)}
		}
	}
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, csvError(err)
		}
		if len(record) != len(t.columns) {
			line, column := r.FieldPos(min(len(record)-1, len(t.columns)))
			return nil, &Error{Line: line, Column: column,
				Message: fmt.Sprintf("the row has %s, expected %d as in the header", count(len(record), "field"), len(t.columns))}
		}
		row := make(Row, len(record))
		for i, v := range record {
			row[t.columns[i]] = v
		}
		t.rows = append(t.rows, row)
	}
}

func csvError(err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return &Error{Line: e.Line, Column: max(e.Column, 1), Message: strings.ReplaceAll(e.Err.Error(), "\"", "'\"'")}
	}
	return &Error{Message: err.Error()}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// parseJSON reads an array of objects.
func parseJSON(content []byte) (*table, error) {
	d := newDecoder(content, 0)
	if err := d.opening('[', "an array of objects"); err != nil {
		return nil, err
	}
	t := &table{known: make(map[string]bool)}
	for d.More() {
		if err := d.row(t); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil { // the closing bracket
		return nil, d.fail(err)
	}
	return t, d.end()
}

// parseLines reads one object per line; blank lines do not count.
func parseLines(content []byte) (*table, error) {
	t := &table{known: make(map[string]bool)}
	number := 0
	for line := range bytes.Lines(content) {
		number++
		if len(bytes.TrimSpace(line)) == 0 {
			continue
		}
		d := newDecoder(bytes.TrimRight(line, "\r\n"), number-1)
		if err := d.row(t); err != nil {
			return nil, err
		}
		if err := d.end(); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// decoder reads JSON rows and knows where it is.
type decoder struct {
	*json.Decoder
	content     []byte
	linesBefore int
}

func newDecoder(content []byte, linesBefore int) *decoder {
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	return &decoder{d, content, linesBefore}
}

// mistake makes an error at an offset of the content.
func (d *decoder) mistake(offset int64, format string, args ...any) error {
	before := d.content[:min(max(offset, 0), int64(len(d.content)))]
	return &Error{
		Line:    d.linesBefore + bytes.Count(before, []byte{'\n'}) + 1,
		Column:  len(before) - bytes.LastIndexByte(before, '\n'),
		Message: fmt.Sprintf(format, args...),
	}
}

// fail places an error of the decoder, which itself counts from different places: a second look at the whole tells where
// the text stops being JSON.
func (d *decoder) fail(err error) error {
	var syntax *json.SyntaxError
	var whole json.RawMessage
	switch {
	case !errors.As(json.Unmarshal(d.content, &whole), &syntax):
		return d.mistake(d.InputOffset(), "not JSON: %v", err)
	case syntax.Offset >= int64(len(d.content)) && strings.Contains(syntax.Error(), "unexpected end"):
		return d.mistake(int64(len(d.content)), "not JSON: the text ends too early")
	default:
		return d.mistake(syntax.Offset-1, "not JSON: %v", syntax)
	}
}

// next returns the offset of the next token.
func (d *decoder) next() int64 {
	rest := d.content[min(d.InputOffset(), int64(len(d.content))):]
	return int64(len(d.content) - len(bytes.TrimLeft(rest, " \t\r\n,:")))
}

func (d *decoder) opening(want json.Delim, what string) error {
	at := d.next()
	token, err := d.Token()
	if err != nil {
		return d.fail(err)
	}
	if token != want {
		return d.mistake(at, "expected %s, found %s", what, kind(token))
	}
	return nil
}

func (d *decoder) end() error {
	at := d.next()
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return d.mistake(at, "expected nothing more after the data")
	}
	return nil
}

// row reads an object.
func (d *decoder) row(t *table) error {
	start := d.next()
	if err := d.opening('{', "an object"); err != nil {
		return err
	}
	row := Row{}
	for d.More() {
		at := d.next()
		key, err := d.Token()
		if err != nil {
			return d.fail(err)
		}
		name, _ := key.(string) // the decoder accepts nothing else
		if name == "" {
			return d.mistake(at, "a column has no name")
		}
		if _, ok := row[name]; ok {
			return d.mistake(at, "column %q is there twice", name)
		}
		var v any
		if err := d.Decode(&v); err != nil {
			return d.fail(err)
		}
		if row[name], err = number(v); err != nil {
			return d.mistake(at, "column %q: %v", name, err)
		}
		if !t.known[name] {
			t.known[name] = true
			t.columns = append(t.columns, name)
		}
	}
	if _, err := d.Token(); err != nil {
		return d.fail(err)
	}
	if len(row) == 0 {
		return d.mistake(start, "the row has no columns")
	}
	t.rows = append(t.rows, row)
	return nil
}

// number turns the numbers in v into Go's, whole ones into int (uint64 where they do not fit).
func number(v any) (_ any, err error) {
	switch v := v.(type) {
	case json.Number:
		if i, err := strconv.Atoi(v.String()); err == nil {
			return i, nil
		}
		if u, err := strconv.ParseUint(v.String(), 10, 64); err == nil {
			return u, nil
		}
		f, err := v.Float64()
		if err != nil {
			return nil, fmt.Errorf("the number %s is too large", v)
		}
		return f, nil
	case []any:
		for i := range v {
			if v[i], err = number(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = number(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

func kind(t json.Token) string {
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return "an array"
		}
		return "an object"
	case string:
		return "text"
	case nil:
		return "null"
	case bool:
		return strconv.FormatBool(t)
	default:
		return "a number"
	}
}
