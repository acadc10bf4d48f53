package otlp

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	rpcstatus "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	gzipencoding "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"tidegauge/engine/outlet"
	"tidegauge/exporters/internal/client"
)

const (
	userAgent    = "tidegauge"
	protobufType = "application/x-protobuf"
	jsonType     = "application/json"
	maxResponse  = 4 << 20
	// maxPause bounds how long a server can ask us to wait: a typing error there must not silence us for years.
	maxPause = 10 * time.Minute
)

// sender makes the requests of one signal.
type sender interface {
	// send sends a request and fills in the response. Its errors are those of outlet.Writer.
	send(ctx context.Context, request, response proto.Message) error
	io.Closer
}

// sender returns what makes the requests; nothing is connected yet.
func (t *target) sender() (sender, error) {
	token := t.Token(func(string) (string, bool) { return "", false }, "")
	if !t.grpc {
		s := &overHTTP{url: t.URL.String(), gzip: t.gzip, client: t.HTTP(token)}
		return s, t.Err()
	}
	secured := insecure.NewCredentials()
	if t.URL.Scheme == "https" {
		secured = credentials.NewTLS(t.TLS())
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(secured),
		grpc.WithUserAgent(userAgent),
		grpc.WithDisableServiceConfig(),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 250 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 10 * time.Second},
			MinConnectTimeout: 10 * time.Second,
		}),
	}
	if t.gzip {
		options = append(options, grpc.WithDefaultCallOptions(grpc.UseCompressor(gzipencoding.Name)))
	}
	host := t.URL.Host
	if t.URL.Port() == "" {
		host += ":4317"
	}
	connect := func() (*grpc.ClientConn, error) { return grpc.NewClient("dns:///"+host, options...) }
	// A connection has goroutines before it is used: this one only says whether there can be one.
	trial, err := connect()
	if err == nil {
		err = trial.Close()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing gRPC to %s: %w", host, err), t.Err())
	}
	header := metadata.MD{}
	for name, values := range t.Header(token) {
		header.Set(name, values...)
	}
	return &overGRPC{connect: connect, method: t.signal.method, header: header}, t.Err()
}

type overHTTP struct {
	url    string
	gzip   bool
	client *http.Client
}

func (s *overHTTP) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

func (s *overHTTP) send(ctx context.Context, request, response proto.Message) error {
	body, err := s.encode(request)
	if err != nil {
		return &outlet.Error{Reaction: outlet.Rejected, Err: fmt.Errorf("encoding: %w", err)}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", protobufType)
	r.Header.Set("User-Agent", userAgent)
	if s.gzip {
		r.Header.Set("Content-Encoding", "gzip")
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return failure(err)
	}
	defer func() { _ = answer.Body.Close() }() // was only read
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxResponse))
	if answer.StatusCode/100 != 2 {
		if strings.HasPrefix(answer.Header.Get("Content-Type"), protobufType) {
			var st rpcstatus.Status
			if proto.Unmarshal(text, &st) == nil {
				text = []byte(st.GetMessage())
			}
		}
		return client.Answer(answer.StatusCode, answer.Header.Get("Retry-After"), string(text))
	}
	if err != nil {
		return fmt.Errorf("reading the server's answer: %w", err)
	}
	return read(answer, text, response)
}

// read reads the answer to what was taken: protobuf, or JSON from some; an answer without a text, or with one in plain words,
// says as much by its status.
func read(answer *http.Response, text []byte, response proto.Message) error {
	const meant = "an OTLP server"
	if err := client.Foreign(answer, text, meant, protobufType, "application/protobuf", jsonType, "text/plain"); err != nil {
		return err
	}
	var err error
	switch mediaType, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type")); {
	case len(text) == 0 || mediaType == "text/plain":
	case mediaType == jsonType:
		err = protojson.Unmarshal(text, response)
	default:
		err = proto.Unmarshal(text, response)
	}
	if err != nil {
		return client.NotOf(meant, fmt.Sprintf("%d with %s", answer.StatusCode, text))
	}
	return nil
}

func (s *overHTTP) encode(request proto.Message) ([]byte, error) {
	body, err := proto.Marshal(request)
	if err != nil || !s.gzip {
		return body, err
	}
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err = w.Write(body)
	err = errors.Join(err, w.Close())
	return b.Bytes(), err
}

// failure returns what it means that there was no answer by HTTP.
func failure(err error) error {
	// net/http says the second when the server's first frame, which HTTP/2 servers send unasked, arrives before the request is sent.
	if text := err.Error(); strings.Contains(text, "malformed HTTP response") || strings.Contains(text, "readLoopPeekFailLocked") {
		return fmt.Errorf("%w (a gRPC server? its address begins with grpc:// or grpcs://)", client.Failure(err))
	}
	return client.Failure(err)
}

type overGRPC struct {
	connect    func() (*grpc.ClientConn, error)
	connection *grpc.ClientConn // nil: not used yet
	method     string
	header     metadata.MD
}

func (s *overGRPC) Close() error {
	if s.connection == nil {
		return nil
	}
	return s.connection.Close()
}

func (s *overGRPC) send(ctx context.Context, request, response proto.Message) error {
	if s.connection == nil {
		connection, err := s.connect()
		if err != nil {
			return err
		}
		s.connection = connection
	}
	err := s.connection.Invoke(metadata.NewOutgoingContext(ctx, s.header), s.method, request, response)
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return err
	}
	return answerOf(status.Convert(err))
}

// answerOf returns what a gRPC status that is not OK means for what was sent.
//
// https://opentelemetry.io/docs/specs/otlp/#failures says which come with time. INTERNAL and UNKNOWN are not among them and
// are tried again nevertheless, like 500 by HTTP, since a server in trouble answers so; so is RESOURCE_EXHAUSTED without
// RetryInfo, unless it is the size of the request that is too much.
func answerOf(s *status.Status) *outlet.Error {
	text := client.Short(s.Message())
	e := &outlet.Error{Reaction: outlet.Retry}
	advice := ""
	switch s.Code() {
	case codes.Unauthenticated, codes.PermissionDenied:
		e.Reaction, advice = outlet.Refused, " (check the token, the headers or the client certificate)"
	case codes.Unimplemented, codes.NotFound:
		e.Reaction, advice = outlet.Refused, " (check the address: is it an OTLP server, and does it take this kind of data?)"
	case codes.InvalidArgument, codes.FailedPrecondition, codes.AlreadyExists:
		e.Reaction = outlet.Rejected
	case codes.ResourceExhausted:
		if strings.Contains(text, "larger than max") {
			e.Reaction = outlet.Rejected
		}
	case codes.Unavailable:
		switch {
		case strings.Contains(text, "authentication handshake failed"):
			e.Reaction, advice = outlet.Refused, " (check grpcs or grpc, and the options ca, cert, key and server_name)"
		case strings.Contains(text, "error reading server preface"):
			advice = " (is it a gRPC server, and one without TLS? With TLS the address begins with grpcs://)"
		}
	}
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			e.After = min(max(0, info.GetRetryDelay().AsDuration()), maxPause)
		}
	}
	e.Err = fmt.Errorf("the server answers %s: %s%s", s.Code(), text, advice)
	if rest, own := strings.CutPrefix(text, "connection error: desc = "); own && s.Code() == codes.Unavailable { // grpc's, not the server's
		if cause, err := strconv.Unquote(rest); err == nil {
			rest = strings.TrimPrefix(strings.TrimPrefix(cause, "transport: "), "Error while dialing: ")
		}
		e.Err = fmt.Errorf("no connection: %s%s", rest, advice)
	}
	return e
}
