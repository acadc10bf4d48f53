package config

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"tidegauge/engine/api"
	"tidegauge/engine/document"
	"tidegauge/engine/queue"
)

// Daemon is what only `serve` needs of a configuration.
type Daemon struct {
	Plans    string // folder; empty: no plans
	Settings queue.Settings
	Tokens   []api.Token
	Triggers []api.Trigger
	Cert     string // files of a certificate and its key; empty: no TLS
	Key      string
	Proxied  bool // TLS is somebody else's matter
	Alerting Alerting
}

// maxLimitUsers is as many as any plan may have.
const maxLimitUsers = 1_000_000

// daemonFields are the keys of a configuration that concern the daemon.
func (d *decoder) daemonFields(c *Daemon) []document.Field {
	return []document.Field{
		document.Key("plans", document.Into(&c.Plans, d.folder)),
		document.Key("schedules", func(n node) { c.Settings.Schedules = d.schedules(n) }),
		document.Key("triggers", func(n node) { c.Triggers = d.triggers(n) }),
		document.Key("blackouts", func(n node) { c.Settings.Blackouts = d.blackouts(n) }),
		document.Key("limits", func(n node) { d.limits(n, &c.Settings.Limits) }),
		document.Key("access", func(n node) { d.access(n, c) }),
		document.Key("rules", func(n node) { d.rules(n, &c.Alerting) }),
		document.Key("alerting", func(n node) { d.alerting(n, &c.Alerting) }),
	}
}

// cron reads the keys cron and time_zone, which belong together. It returns the fields and what puts them together.
func (d *decoder) cron() (fields []document.Field, done func(n node, found map[string]document.Member) queue.Cron) {
	var text, zone string
	fields = []document.Field{
		document.Key("cron", document.Into(&text, d.text)),
		document.Key("time_zone", document.Into(&zone, d.text)),
	}
	return fields, func(n node, found map[string]document.Member) queue.Cron {
		m, ok := found["cron"]
		if !ok {
			d.Wrong(n, "cron is missing, expected when it is due: cron: \"30 2 * * *\"")
			return queue.Cron{}
		}
		c, err := queue.ParseCron(text, zone)
		if err != nil && text != "" {
			d.Wrong(m.Value, "%s", document.OneLine(err.Error()))
		}
		return c
	}
}

func (d *decoder) texts(n node) (map[string]string, bool) {
	members, ok := d.Members(n, "a mapping of names to texts")
	all := map[string]string{}
	for _, m := range members {
		if v, ok := d.Constant(m.Value, "text"); ok {
			all[m.Key.Value] = v
		}
	}
	return all, ok
}

func (d *decoder) schedules(n node) []queue.Schedule {
	members, _ := d.Members(n, "a mapping of names to schedules")
	var all []queue.Schedule
	for _, m := range members {
		s := queue.Schedule{Name: m.Key.Value}
		fields, cron := d.cron()
		missed := "skip"
		fields = append(fields,
			document.Key("plan", document.Into(&s.Plan, d.text)),
			document.Key("test", document.Into(&s.Test, d.text)),
			document.Key("jitter", document.Into(&s.Jitter, d.Positive)),
			document.Key("missed", document.Into(&missed, func(n node) (string, bool) { return d.Choice(n, "policy", []string{"skip", "run"}) })),
			document.Key("parameters", document.Into(&s.Parameters, d.texts)),
			document.Key("labels", document.Into(&s.Labels, d.texts)),
		)
		found, known := d.Mapping(m.Value, "a schedule", fields...)
		if !known {
			continue
		}
		s.Cron, s.CatchUp = cron(m.Value, found), missed == "run"
		if _, ok := found["plan"]; !ok {
			d.Wrong(m.Value, "plan is missing, expected the name of a plan of the folder, without .yaml")
		}
		all = append(all, s)
	}
	return all
}

func (d *decoder) triggers(n node) []api.Trigger {
	members, _ := d.Members(n, "a mapping of names to triggers")
	var all []api.Trigger
	for _, m := range members {
		t := api.Trigger{Name: m.Key.Value}
		found, known := d.Mapping(m.Value, "a trigger",
			document.Key("plan", document.Into(&t.Plan, d.text)),
			document.Key("test", document.Into(&t.Test, d.text)),
			document.Key("secret", document.Into(&t.Secret, d.text)),
			document.Key("secret_file", document.Into(&t.Secret, d.secretFile)),
			document.Key("branches", document.Into(&t.Branches, d.Words("branches"))),
			document.Key("parameters", document.Into(&t.Parameters, d.texts)),
			document.Key("labels", document.Into(&t.Labels, d.texts)),
		)
		if !known {
			continue
		}
		if _, ok := found["plan"]; !ok {
			d.Wrong(m.Value, "plan is missing, expected the name of a plan of the folder, without .yaml")
		}
		_, here := found["secret"]
		_, there := found["secret_file"]
		switch {
		case here && there:
			d.AtMostOne(found, "secret", "secret_file")
		case !here && !there:
			d.Wrong(m.Value, "secret or secret_file is missing, expected what signs the webhook, %d characters at least", api.MinSecret)
		case t.Secret != "" && len(t.Secret) < api.MinSecret:
			d.Wrong(m.Value, "the secret has %d characters, expected %d at least: as short as that it can be found by trying", len(t.Secret), api.MinSecret)
		default:
			all = append(all, t)
		}
	}
	return all
}

func (d *decoder) blackouts(n node) []queue.Blackout {
	var all []queue.Blackout
	for _, item := range d.Items(n, "windows such as {cron: \"0 22 * * 5\", for: 58h}") {
		var b queue.Blackout
		fields, cron := d.cron()
		fields = append(fields, document.Key("for", document.Into(&b.For, d.Positive)))
		found, known := d.Mapping(item, "a blackout window", fields...)
		if !known {
			continue
		}
		b.Cron = cron(item, found)
		if _, ok := found["for"]; !ok {
			d.Wrong(item, "for is missing, expected how long the window is open")
		}
		all = append(all, b)
	}
	return all
}

func (d *decoder) limits(n node, l *queue.Limits) {
	d.Mapping(n, "limits",
		document.Key("hosts", func(n node) {
			for _, item := range d.Items(n, "hosts that may be loaded") {
				host, ok := d.Constant(item, "a host")
				if !ok {
					continue
				}
				if err := queue.CheckHost(host); err != nil {
					d.Wrong(item, "%v", err)
				}
				l.Hosts = append(l.Hosts, host)
			}
		}),
		document.Key("rate", document.Into(&l.Rate, d.Rate)),
		document.Key("users", document.Into(&l.Users, d.Whole(1, maxLimitUsers))),
		document.Key("duration", document.Into(&l.Duration, d.Positive)),
		document.Key("errors", document.Into(&l.Errors, document.Read(d.Decoder, "a share of requests, such as 50%", parseShare))),
		document.Key("halt", func(n node) {
			for _, item := range d.Items(n, "PromQL expressions that have a result when the target is unwell") {
				expr, ok := d.text(item)
				if !ok {
					continue
				}
				if d.options.CheckPromQL != nil {
					if err := d.options.CheckPromQL(expr); err != nil {
						d.Wrong(item, "%s", document.OneLine(err.Error()))
					}
				}
				l.Halt = append(l.Halt, expr)
			}
		}),
	)
}

// parseShare reads a percentage above 0 and up to 100.
func parseShare(s string) (float64, error) {
	text, ok := strings.CutSuffix(s, "%")
	percent, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if !ok || err != nil || !(percent > 0 && percent <= 100) {
		return 0, fmt.Errorf("%q is no share", s)
	}
	return percent / 100, nil
}

func (d *decoder) access(n node, c *Daemon) {
	d.Mapping(n, "access",
		document.Key("tokens", func(n node) { c.Tokens = d.tokens(n) }),
		document.Key("tls", func(n node) {
			found, known := d.Mapping(n, "TLS", document.Key("cert", document.Into(&c.Cert, d.FileName)), document.Key("key", document.Into(&c.Key, d.FileName)))
			if known && len(found) < 2 {
				d.Wrong(n, "cert or key is missing, expected both")
			}
		}),
		document.Key("behind_proxy", document.Into(&c.Proxied, d.Boolean)),
	)
}

func (d *decoder) tokens(n node) []api.Token {
	members, _ := d.Members(n, "a mapping of names to {role, sha256}")
	var all []api.Token
	for _, m := range members {
		t := api.Token{Name: m.Key.Value}
		role, hash := "", ""
		found, known := d.Mapping(m.Value, "a token",
			document.Key("role", document.Into(&role, func(n node) (string, bool) { return d.Choice(n, "role", []string{"read", "run", "admin"}) })),
			document.Key("sha256", document.Into(&hash, d.text)),
		)
		if !known {
			continue
		}
		if len(found) < 2 {
			d.Wrong(m.Value, "role or sha256 is missing, expected both: tidegauge token makes them")
			continue
		}
		var errRole, errHash error
		t.Role, errRole = api.ParseRole(role)
		t.Hash, errHash = api.HashOf(hash)
		if errHash != nil {
			d.Wrong(found["sha256"].Value, "no SHA-256 in hexadecimal, expected what tidegauge token says") // not repeated: it may be a token
		}
		if errors.Join(errRole, errHash) == nil {
			all = append(all, t)
		}
	}
	return all
}

// folder reads the name of a folder relative to the configuration.
func (d *decoder) folder(n node) (string, bool) { return d.dataDir(n) }

// Beyond says what keeps a daemon from listening where others can reach it; nil: nothing does.
func (c *Daemon) Beyond(listen string) error {
	if len(c.Tokens) > 0 && !api.ListensOnLoopback(listen) && c.Cert == "" && !c.Proxied {
		return errors.New("listening on " + listen + ": tokens would go over the network as they are: give access.tls a certificate, or say access.behind_proxy: true where something before the daemon does TLS")
	}
	return nil
}
