package otlp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"tidegauge/exporters/internal/client"
)

// signal is one of the kinds of data that OTLP carries.
type signal struct {
	name   string // in variables: METRICS
	path   string // of HTTP
	method string // of gRPC
}

func metricsSignal() signal {
	return signal{"METRICS", "/v1/metrics", "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"}
}

func tracesSignal() signal {
	return signal{"TRACES", "/v1/traces", "/opentelemetry.proto.collector.trace.v1.TraceService/Export"}
}

func logsSignal() signal {
	return signal{"LOGS", "/v1/logs", "/opentelemetry.proto.collector.logs.v1.LogsService/Export"}
}

func signals() []signal { return []signal{metricsSignal(), tracesSignal(), logsSignal()} }

// word is the signal's name in addresses.
func (s signal) word() string { return strings.ToLower(s.name) }

// taken returns the signals that an address is for: those that its option names, else that of its path, else all; but of
// servers that are known by their path to be stores of metrics only that. Without an address it goes by the variables: that
// for all signals is read likewise, and a signal that has one of its own is sent; where only such are set, no other one is.
func taken(t *target, address string, env getenv) ([]signal, error) {
	var list []signal
	if text, ok := t.Options["signals"]; ok {
		for word := range strings.SplitSeq(text, ",") {
			i := slices.IndexFunc(signals(), func(s signal) bool { return s.word() == word })
			if i < 0 {
				return nil, fmt.Errorf("option signals=%s: give one or more of metrics, traces and logs, separated by commas", text)
			}
			list = append(list, signals()[i])
		}
		return list, nil
	}
	if address == "" {
		return named(env), nil
	}
	if t.grpc {
		return signals(), nil
	}
	return byPath(address), nil
}

// named returns the signals that the variables name an endpoint for; all where they name none.
func named(env getenv) []signal {
	common, _ := env(prefix + "ENDPOINT")
	var list []signal
	for _, s := range signals() {
		variable, endpoint := env.lookup(s, "ENDPOINT")
		_, protocol := env.lookup(s, "PROTOCOL")
		if variable == prefix+s.name+"_ENDPOINT" || endpoint != "" && (protocol == "grpc" || slices.Contains(byPath(common), s)) {
			list = append(list, s)
		}
	}
	if len(list) == 0 {
		return signals()
	}
	return list
}

// byPath returns the signals that an HTTP server takes, by the path of its address.
func byPath(address string) []signal {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return signals() // what is wrong with it is said where it is used
	}
	path := strings.TrimRight(u.Path, "/")
	for _, s := range signals() {
		if strings.HasSuffix(path, s.path) {
			return []signal{s}
		}
	}
	for _, end := range []string{"/api/v1/otlp", "/otlp", "/opentelemetry"} { // Prometheus, Mimir, VictoriaMetrics
		if strings.HasSuffix(path, end) {
			return []signal{metricsSignal()}
		}
	}
	return signals()
}

// prefix is what the variables of an OTLP exporter begin with.
const prefix = "OTEL_EXPORTER_OTLP_"

// getenv looks up an environment variable.
type getenv func(string) (string, bool)

// lookup returns the variable of the signal, else that of all signals, with its name; one that is empty counts as unset.
func (get getenv) lookup(s signal, name string) (variable, value string) {
	for _, variable := range []string{prefix + s.name + "_" + name, prefix + name} {
		if value, _ := get(variable); strings.TrimSpace(value) != "" {
			return variable, strings.TrimSpace(value)
		}
	}
	return "", ""
}

// target is where one signal goes, and how.
type target struct {
	*client.Address
	signal  signal
	grpc    bool
	gzip    bool
	timeout time.Duration // 0: whatever the caller chooses
}

// parse returns the target that an address names, completed from the variables of OpenTelemetry; without an address they
// name it.
//
// https://opentelemetry.io/docs/specs/otel/protocol/exporter/ describes the variables.
func parse(address string, s signal, env getenv) (*target, error) {
	raw, overGRPC, err := locate(address, s, env)
	if err != nil {
		return nil, err
	}
	a, err := client.Parse(raw, "compression", "signals")
	if err != nil {
		return nil, err
	}
	t := &target{Address: a, signal: s, grpc: overGRPC}
	if overGRPC && strings.Trim(a.URL.Path, "/") != "" {
		return nil, fmt.Errorf("the address of a gRPC server has no path, and %s is one: leave it out, or begin with http:// or https://", a.URL.Path)
	}
	return t, errors.Join(t.complete(env), a.Err())
}

// locate returns the address with the scheme http or https, and whether it is one of gRPC.
func locate(address string, s signal, env getenv) (raw string, overGRPC bool, err error) {
	if address != "" {
		if scheme, rest, ok := strings.Cut(address, "://"); ok {
			switch scheme {
			case "grpc":
				return "http://" + rest, true, nil
			case "grpcs":
				return "https://" + rest, true, nil
			case "http", "https":
				raw, err := withPath(address, s)
				return raw, false, err
			}
		}
		return "", false, fmt.Errorf("the address %shas to begin with http://, https://, grpc:// or grpcs:// and a host", shown(address))
	}
	variable, protocol := env.lookup(s, "PROTOCOL")
	switch protocol {
	case "", "http/protobuf":
		raw, err = endpointHTTP(s, env)
	case "grpc":
		raw, err = endpointGRPC(s, env)
	default:
		err = fmt.Errorf("%s=%s: choose grpc or http/protobuf", variable, protocol)
	}
	return raw, protocol == "grpc", err
}

// shown returns an address with a blank behind it, as far as it can be shown: it can have a password in it.
func shown(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	u.RawQuery = ""
	return u.Redacted() + " "
}

// endpointHTTP returns the endpoint in the variables. That of a signal is taken as it is; that of all gets the signal's path.
func endpointHTTP(s signal, env getenv) (string, error) {
	variable, endpoint := env.lookup(s, "ENDPOINT")
	if endpoint == "" {
		return "http://localhost:4318" + s.path, nil
	}
	if !strings.HasPrefix(endpoint, "http://") && !strings.HasPrefix(endpoint, "https://") {
		return "", fmt.Errorf("%s: the address has to begin with http:// or https://", variable)
	}
	if variable == prefix+s.name+"_ENDPOINT" {
		return endpoint, nil
	}
	raw, err := withPath(endpoint, s)
	if err != nil {
		err = fmt.Errorf("%s: %w", variable, err)
	}
	return raw, err
}

// endpointGRPC returns the endpoint in the variables. One without a scheme is secure unless _INSECURE says otherwise.
func endpointGRPC(s signal, env getenv) (string, error) {
	variable, endpoint := env.lookup(s, "ENDPOINT")
	if endpoint == "" {
		return "http://localhost:4317", nil
	}
	if strings.HasPrefix(endpoint, "http://") || strings.HasPrefix(endpoint, "https://") {
		return endpoint, nil
	}
	if strings.Contains(endpoint, "://") {
		return "", fmt.Errorf("%s: the address has to begin with http:// or https://, or to be HOST:PORT alone", variable)
	}
	variable, text := env.lookup(s, "INSECURE")
	insecure := false
	if text != "" {
		var err error
		if insecure, err = strconv.ParseBool(text); err != nil {
			return "", fmt.Errorf("%s=%s: give true or false", variable, text)
		}
	}
	if insecure {
		return "http://" + endpoint, nil
	}
	return "https://" + endpoint, nil
}

// withPath appends the signal's path to an address, in the place of that of a signal if there is one already.
func withPath(address string, s signal) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		if e, ok := errors.AsType[*url.Error](err); ok {
			err = e.Err // the address can have a password in it
		}
		return "", fmt.Errorf("reading the address: %w", err)
	}
	u.Path = base(u.Path) + s.path
	u.RawPath = ""
	return u.String(), nil
}

// base returns a path without that of a signal.
func base(path string) string {
	path = strings.TrimRight(path, "/")
	for _, one := range signals() {
		if rest, ok := strings.CutSuffix(path, one.path); ok {
			return strings.TrimRight(rest, "/")
		}
	}
	return path
}

// complete takes from the environment what the address does not say.
func (t *target) complete(env getenv) error {
	var problems []error
	check := func(err error) { problems = append(problems, err) }
	check(t.headers(env))
	check(t.certificates(env))
	if _, ok := t.Options["compression"]; ok {
		t.gzip = t.Choice("compression", "gzip", "none") == "gzip"
	} else {
		variable, text := env.lookup(t.signal, "COMPRESSION")
		t.gzip = text != "none"
		if text != "" && text != "none" && text != "gzip" {
			check(fmt.Errorf("%s=%s: choose gzip or none", variable, text))
		}
	}
	t.timeout = t.Duration("timeout", 0)
	if variable, text := env.lookup(t.signal, "TIMEOUT"); t.timeout == 0 && text != "" {
		ms, err := strconv.ParseUint(text, 10, 31)
		if err != nil || ms == 0 {
			check(fmt.Errorf("%s=%s: give a number of milliseconds, as 10000", variable, text))
		}
		t.timeout = time.Duration(ms) * time.Millisecond
	}
	return errors.Join(problems...)
}

func (t *target) headers(env getenv) error {
	variable, text := env.lookup(t.signal, "HEADERS")
	pairs, err := parsePairs(text)
	if err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		canonical := http.CanonicalHeaderKey(name)
		if _, own := t.Headers[canonical]; !own {
			t.Headers.Set(canonical, pairs[name])
		}
	}
	return nil
}

// certificates fills in the files of TLS. What is wrong with them is the variable's, so that they are read here too.
func (t *target) certificates(env getenv) error {
	if t.Options["ca"] == "" {
		if variable, file := env.lookup(t.signal, "CERTIFICATE"); file != "" {
			if _, err := os.Stat(file); err != nil {
				return fmt.Errorf("%s: %w", variable, err)
			}
			t.Options["ca"] = file
		}
	}
	if t.Options["cert"] != "" || t.Options["key"] != "" {
		return nil
	}
	certVariable, cert := env.lookup(t.signal, "CLIENT_CERTIFICATE")
	keyVariable, key := env.lookup(t.signal, "CLIENT_KEY")
	switch {
	case cert == "" && key == "":
		return nil
	case key == "":
		return fmt.Errorf("%s needs %sCLIENT_KEY beside it", certVariable, prefix)
	case cert == "":
		return fmt.Errorf("%s needs %sCLIENT_CERTIFICATE beside it", keyVariable, prefix)
	}
	if _, err := tls.LoadX509KeyPair(cert, key); err != nil {
		return fmt.Errorf("%s and %s: %w", certVariable, keyVariable, err)
	}
	t.Options["cert"], t.Options["key"] = cert, key
	return nil
}

// parsePairs reads key=value pairs separated by commas, with percent-encoded values, as W3C Baggage has them. The error
// does not repeat a value: it may be a secret.
func parsePairs(text string) (map[string]string, error) {
	pairs := map[string]string{}
	for i, one := range strings.Split(text, ",") {
		if strings.TrimSpace(one) == "" {
			continue
		}
		key, value, ok := strings.Cut(one, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" {
			return nil, fmt.Errorf("entry %d is not KEY=VALUE: separate entries by commas, and write %%2C for a comma in a value", i+1)
		}
		plainKey, err := url.PathUnescape(key)
		if err != nil {
			return nil, fmt.Errorf("entry %d: its key has a wrong percent-encoding: write %%25 for a percent sign", i+1)
		}
		plain, err := url.PathUnescape(strings.TrimSpace(value))
		if err != nil {
			return nil, fmt.Errorf("entry %d, %s: the value has a wrong percent-encoding: write %%25 for a percent sign", i+1, key)
		}
		pairs[plainKey] = plain
	}
	return pairs, nil
}

// resourceOf returns the attributes that the environment gives to tidegauge's own resource.
func resourceOf(env getenv) (map[string]string, error) {
	text, _ := env("OTEL_RESOURCE_ATTRIBUTES")
	attributes, err := parsePairs(text)
	if err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if name, _ := env("OTEL_SERVICE_NAME"); name != "" {
		attributes["service.name"] = name
	}
	return attributes, nil
}
