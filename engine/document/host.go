package document

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"

	"tidegauge/engine/host"
)

const hostForm = "true, or a mapping such as {interval: 1s, processes: [{name: payments}]}"

// leastHostInterval keeps reading the machine cheap beside the load.
const leastHostInterval = 100 * time.Millisecond

// Host reads what is to be read of this machine; nil: nothing.
func (d *Decoder) Host(n Node) *host.Options {
	if n.Kind == yaml.ScalarNode {
		on, ok := Read(d, hostForm, ParseBool)(n)
		if !ok || !on {
			return nil
		}
		return &host.Options{}
	}
	o := &host.Options{}
	d.Mapping(n, "what to read of this machine",
		Key("interval", Into(&o.Interval, Read(d, DurationForm+", at least 100ms", parseHostInterval))),
		Key("job", Into(&o.Job, Read(d, "a name, which becomes the label job", parseJobName))),
		Key("processes", func(n Node) {
			taken := map[string]bool{o.Jobs()[0]: true} // job comes before processes in this table
			for _, item := range d.Items(n, "processes, such as {name: payments}") {
				p, ok := d.process(item)
				if !ok {
					continue
				}
				if job := p.JobName(); taken[job] {
					d.Wrong(item, "there is another job %s in host, expected one of its own: give it a job", Quoted(job))
				} else {
					taken[job] = true
				}
				o.Processes = append(o.Processes, p)
			}
		}),
	)
	return o
}

func parseHostInterval(s string) (time.Duration, error) {
	v, err := ParseDuration(s)
	if err == nil && v < leastHostInterval {
		return 0, fmt.Errorf("%s is too short", Quoted(s))
	}
	return v, err
}

// process reads which processes are meant: their name alone, or a mapping.
func (d *Decoder) process(n Node) (host.Process, bool) {
	var p host.Process
	before := d.Count()
	if n.Kind == yaml.ScalarNode {
		p.Name, _ = Read(d, "the name of a program, as ps shows it", parseProgram)(n)
		return p, d.Count() == before
	}
	found, known := d.Mapping(n, "a process",
		Key("name", Into(&p.Name, Read(d, "the name of a program, as ps shows it", parseProgram))),
		Key("pid", Into(&p.PID, Read(d, "the number of a process", parsePID))),
		Key("pid_file", func(n Node) {
			file, ok := d.Constant(n, "a file with the number of a process, relative to this one")
			if ok && file == "" {
				d.Wrong(n, "the name of the file is empty, expected a file with the number of a process")
			}
			if ok && d.options.File != nil {
				if err := d.options.File(file); err != nil {
					d.Wrong(n, "%s", OneLine(err.Error()))
				}
			}
			p.PIDFile = d.Resolve(file)
		}),
		Key("job", Into(&p.Job, Read(d, "a name, which becomes the label job", parseJobName))),
	)
	if found != nil {
		d.ExactlyOne(n, found, known, "name", "pid", "pid_file")
	}
	return p, d.Count() == before
}

func parseProgram(s string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", errors.New("the name is empty")
	case strings.ContainsRune(s, '/'):
		return "", fmt.Errorf("%s is a path", Quoted(s))
	}
	return parseJobName(s)
}

// parseJobName checks a value of the label job.
func parseJobName(s string) (string, error) {
	switch {
	case strings.TrimSpace(s) == "":
		return "", errors.New("the name is empty")
	case len(s) > 200 || strings.ContainsFunc(s, unicode.IsControl):
		return "", fmt.Errorf("the name %s is longer than 200 bytes or has a control character", Quoted(s))
	}
	return s, nil
}

func parsePID(s string) (int, error) {
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil || v < 1 {
		return 0, fmt.Errorf("%s is no process", Quoted(s))
	}
	return int(v), nil
}
