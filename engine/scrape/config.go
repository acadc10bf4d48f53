package scrape

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	config_util "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/discovery"
	"github.com/prometheus/prometheus/discovery/file" // registers file_sd_configs
	"go.yaml.in/yaml/v2"

	"tidegauge/engine/endpoint"
)

// What a job is where its configuration does not say. A test lasts minutes, and is measured every second; what is scraped
// always is kept for days. Prometheus scrapes every minute.
const (
	DefaultInterval = time.Second
	AlwaysInterval  = 15 * time.Second
	DefaultTimeout  = 10 * time.Second // or the interval, if that is shorter
)

// Rules are what holds for jobs beside what Prometheus says.
type Rules struct {
	Interval time.Duration // of jobs that have none; default DefaultInterval
	Listen   string        // where this process answers: it is no target; empty: nowhere
	NoProxy  bool          // jobs may not be scraped through a proxy, which leads anywhere
	// Permit says why a static target, HOST:PORT, may not be scraped; nil: each may. What others come to is for Options.Permit to judge.
	Permit  func(address string) error
	NoFiles bool // jobs come from elsewhere and may not read files of this machine
}

// Error is a mistake in the configuration of a job.
type Error struct {
	Message string
	line    int
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Line is the line of the text that was checked, from 1, at which the mistake is; 0 if Prometheus does not say.
func (e *Error) Line() int { return e.line }

// Check says what is wrong with a job: one scrape_config of Prometheus as YAML, whose file names are relative to dir. Files
// of certificates and secrets must be there, those of file_sd_configs may come later. The error joins one *Error for each
// mistake that Prometheus's own reader reports at once.
func (r Rules) Check(dir string, job []byte) error {
	_, err := r.parseJob(dir, job)
	return err
}

func (r Rules) parseJob(dir string, job []byte) (*config.ScrapeConfig, error) {
	if r.NoFiles {
		if err := noFiles(job); err != nil {
			return nil, err
		}
	}
	var c *config.ScrapeConfig
	if err := yaml.UnmarshalStrict(job, &c); err != nil {
		return nil, mistakes(err)
	}
	return c, r.complete(dir, c)
}

// noFiles refuses a job that names files: Prometheus's keys that do end in _file, or are files or file_sd_configs.
func noFiles(job []byte) error {
	var all any
	if err := yaml.Unmarshal(job, &all); err != nil {
		return mistakes(err)
	}
	if key := fileKey(all); key != "" {
		return &Error{Message: key + " names a file, and a plan that is sent to a daemon cannot read files under scrape: expected static_configs, and secrets as ${env.NAME}"}
	}
	return nil
}

// fileKey returns the first key that names a file anywhere in a tree, or "".
func fileKey(tree any) string {
	switch tree := tree.(type) {
	case map[any]any:
		for k, v := range tree {
			key := fmt.Sprint(k)
			if strings.HasSuffix(key, "_file") || strings.HasSuffix(key, "_files") || key == "file_sd_configs" || key == "files" {
				return key
			}
			if key := fileKey(v); key != "" {
				return key
			}
		}
	case []any:
		for _, v := range tree {
			if key := fileKey(v); key != "" {
				return key
			}
		}
	}
	return ""
}

// parse reads a list of jobs.
func (r Rules) parse(dir string, jobs []byte) ([]*config.ScrapeConfig, error) {
	var list []*config.ScrapeConfig
	if err := yaml.UnmarshalStrict(jobs, &list); err != nil {
		return nil, mistakes(err)
	}
	var names []string
	for _, c := range list {
		if err := r.complete(dir, c); err != nil {
			return nil, err
		}
		if slices.Contains(names, c.JobName) {
			return nil, &Error{Message: fmt.Sprintf("there are two jobs with job_name %q, expected another name", c.JobName)}
		}
		names = append(names, c.JobName)
	}
	return list, nil
}

// complete fills in the defaults of a job and checks what its reader does not.
func (r Rules) complete(dir string, c *config.ScrapeConfig) error {
	if r.Interval == 0 {
		r.Interval = DefaultInterval
	}
	global := config.DefaultGlobalConfig
	global.ScrapeInterval, global.ScrapeTimeout = model.Duration(r.Interval), model.Duration(DefaultTimeout)
	if err := c.Validate(global); err != nil {
		return &Error{Message: err.Error()}
	}
	c.SetDirectory(dir)
	for _, d := range c.ServiceDiscoveryConfigs {
		switch d := d.(type) {
		case discovery.StaticConfig:
			if err := r.targets(c, d); err != nil {
				return err
			}
		case *file.SDConfig:
		default:
			return &Error{Message: fmt.Sprintf("%s_sd_configs is not in this version, expected static_configs or file_sd_configs", d.Name())}
		}
	}
	if len(c.ServiceDiscoveryConfigs) == 0 {
		return &Error{Message: "the job has no targets, expected static_configs or file_sd_configs"}
	}
	http := &c.HTTPClientConfig
	if r.NoProxy && (viaProxy(&http.ProxyConfig) || http.OAuth2 != nil && viaProxy(&http.OAuth2.ProxyConfig)) {
		return &Error{Message: "a plan cannot scrape through a proxy (proxy_url, proxy_from_environment) where the configuration says which hosts it may reach"}
	}
	client, err := config_util.NewClientFromConfig(c.HTTPClientConfig, c.JobName)
	if err != nil {
		return &Error{Message: err.Error()}
	}
	client.CloseIdleConnections()
	for _, name := range secretFiles(&c.HTTPClientConfig) {
		if _, err := os.Stat(name); err != nil {
			return &Error{Message: fmt.Sprintf("reading a secret: %v, expected a file relative to the plan", err)}
		}
	}
	return nil
}

// targets sees that each target may be scraped, and that none is this process: what it shows there is in its store already.
func (r Rules) targets(c *config.ScrapeConfig, groups discovery.StaticConfig) error {
	port := "80"
	if c.Scheme == "https" {
		port = "443"
	}
	for _, group := range groups {
		for _, target := range group.Targets {
			address := string(target[model.AddressLabel])
			if r.Permit != nil {
				if err := r.Permit(endpoint.Canonical(address, port)); err != nil {
					return &Error{Message: fmt.Sprintf("scraping %q: %v", address, err)}
				}
			}
			if endpoint.ListensOn(r.Listen, endpoint.Canonical(address, port)) {
				return &Error{Message: fmt.Sprintf("%q is tidegauge itself, which listens on %s: what it measures is in its store already, expected another target", address, r.Listen)}
			}
		}
	}
	return nil
}

func viaProxy(c *config_util.ProxyConfig) bool {
	return c.ProxyFromEnvironment || c.ProxyURL.URL != nil && c.ProxyURL.String() != ""
}

// secretFiles returns the files that Prometheus reads with each request, and would miss only then.
func secretFiles(c *config_util.HTTPClientConfig) []string {
	var names []string
	if c.BasicAuth != nil {
		names = append(names, c.BasicAuth.UsernameFile, c.BasicAuth.PasswordFile)
	}
	if c.Authorization != nil {
		names = append(names, c.Authorization.CredentialsFile)
	}
	if c.OAuth2 != nil {
		names = append(names, c.OAuth2.ClientSecretFile)
	}
	return slices.DeleteFunc(names, func(name string) bool { return name == "" })
}

var (
	yamlLine     = regexp.MustCompile(`^(?:yaml: )?line (\d+): `)
	unknownField = regexp.MustCompile(`field (\S+) not found in type \S+`)
	ofGoType     = regexp.MustCompile(` into (?:[*\[\]]*[a-z]+\.)?\S+$`)
)

// mistakes takes the answer of the YAML library apart, and says it without the names of Go types.
func mistakes(err error) error {
	lines := []string{err.Error()}
	if several, ok := errors.AsType[*yaml.TypeError](err); ok {
		lines = several.Errors
	}
	all := make([]error, len(lines))
	for i, line := range lines {
		e := &Error{}
		if m := yamlLine.FindStringSubmatch(line); m != nil {
			e.line, _ = strconv.Atoi(m[1]) // digits by the pattern; what overflows is no line of the text
			line = line[len(m[0]):]
		}
		if m := unknownField.FindStringSubmatch(line); m != nil {
			line = fmt.Sprintf("unknown key %q, expected one of Prometheus's", m[1])
			if strings.HasSuffix(m[1], "_sd_configs") {
				line = m[1] + " is not in this version, expected static_configs or file_sd_configs"
			}
		}
		e.Message = ofGoType.ReplaceAllString(line, "")
		all[i] = e
	}
	return errors.Join(all...)
}
