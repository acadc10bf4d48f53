package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"tidegauge/cmd/tidegauge/internal/app"
	"tidegauge/exporters"
)

// outVariable holds outlets for those who set --out nowhere, separated by spaces.
const outVariable = "TIDEGAUGE_OUT"

// outFlags are the outlets of a command.
type outFlags struct {
	specs    []string
	required bool
	wait     locustDuration
}

func (f *outFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.specs, "out", nil, "also send everything to this store, as prometheus=http://HOST:9090/api/v1/write,\ninfluxdb=http://HOST:8086?org=ORG&bucket=BUCKET, otlp=http://HOST:4318 or otlp=grpc://HOST:4317\n(tokens: PROMETHEUS_TOKEN, INFLUX_TOKEN, OTEL_EXPORTER_OTLP_HEADERS); repeatable; default: $"+outVariable)
}

// registerRun adds what concerns the end of a run.
func (f *outFlags) registerRun(flags *pflag.FlagSet) {
	f.wait = locustDuration(10 * time.Second)
	flags.VarP(&f.wait, "out-wait", "", "how long to wait at the end for what is still to be sent")
	flags.BoolVar(&f.required, "out-required", false, "exit with code 5 when not everything measured has arrived at the --out outlets")
}

// open makes the app with the outlets. What is wrong with their descriptions is the command line's.
func (f *outFlags) open(ctx context.Context, c *console, config app.Config) (*app.App, error) {
	specs := f.specs
	if len(specs) == 0 {
		text, _ := c.getenv(outVariable)
		specs = strings.Fields(text)
	}
	if f.required && len(specs) == 0 {
		return nil, withCode(exitUsage, fmt.Errorf("--out-required needs --out KIND=ADDRESS, or %s", outVariable))
	}
	if err := exporters.Check(specs, c.getenv); err != nil {
		return nil, withCode(exitUsage, err)
	}
	config.Outlets, config.OutletsRequired, config.Getenv = specs, f.required, c.getenv
	config.OutletsWait = time.Duration(f.wait)
	config.Notify = func(text string) { fmt.Fprintln(c.err, "tidegauge: "+text) }
	a, err := app.New(ctx, config)
	return a, withCode(exitStorage, err)
}
