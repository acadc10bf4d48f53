package plan

import (
	"net/url"
	"slices"

	"tidegauge/engine/document"
)

// ServerJobs returns the values of the label job that series of servers have: of what is scraped, then of this machine.
func (p *Plan) ServerJobs() []string {
	jobs := slices.Clone(p.Scrape.Names)
	if p.Host != nil {
		for _, job := range p.Host.Jobs() {
			if !slices.Contains(jobs, job) {
				jobs = append(jobs, job)
			}
		}
	}
	return jobs
}

// WatchedJobs returns those of ServerJobs, and of what is scraped always.
func (p *Plan) WatchedJobs() []string {
	jobs := p.ServerJobs()
	for _, job := range p.Always {
		if !slices.Contains(jobs, job) {
			jobs = append(jobs, job)
		}
	}
	return jobs
}

// Builds returns PromQL for what servers say that they are made of: by convention the labels of a metric that is 1.
func (p *Plan) Builds() string {
	return selectJobs(`{__name__=~"(.+_)?build_info",$jobs}`, p.WatchedJobs())
}

// ScrapeConfigs returns the plan's scrape jobs as YAML for Prometheus, a list of scrape_configs, for the target as it is now;
// nil if there is none.
func (p *Plan) ScrapeConfigs() []byte {
	return p.Scrape.YAML(targetParts(p.Target.BaseURL, "", "http"))
}

// targetParts are the parts of a text under `scrape` that speak of the target: host and port of its base_url, and its scheme.
func targetParts(baseURL, host, scheme string) map[string]string {
	if u, err := url.Parse(baseURL); err == nil && u.Host != "" {
		host, scheme = u.Host, u.Scheme
	}
	return map[string]string{"${target.host}": host, "${target.scheme}": scheme}
}

// scrape reads the jobs; the target may be wrong and so not known.
func (d *decoder) scrape(n node, p *Plan) document.Jobs {
	return d.Jobs(n, document.JobOptions{
		Parts:   targetParts(p.Target.BaseURL, "target:80", "http"),
		Check:   d.options.CheckScrape,
		Example: `{job_name: payments, static_configs: [{targets: ["${target.host}"]}]}`,
	})
}
