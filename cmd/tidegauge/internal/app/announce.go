package app

import (
	"context"

	"tidegauge/engine/experiment"
	"tidegauge/engine/report"
	"tidegauge/exporters/announce"
)

// SetAnnounce replaces the webhooks that are told how runs ended.
func (a *App) SetAnnounce(hooks []announce.Hook) { a.hooks.Store(&hooks) }

// Announce tells webhooks how a run ended, within announce.Within. What could not be told decides nothing, and is told to Notify.
func (a *App) Announce(ctx context.Context, r *report.Report) {
	hooks := *a.hooks.Load()
	if len(hooks) == 0 || r == nil {
		return
	}
	before, err := announce.Before(a.History, r)
	if err != nil {
		a.config.Notify("WARNING: " + err.Error())
	}
	for _, err := range announce.Send(ctx, hooks, announce.Of(r, before)) {
		a.config.Notify("WARNING: " + err.Error())
	}
}

// runAnnounced is a run of the daemon. It is over when it is announced: the next one has the machine to itself.
func (a *App) runAnnounced(ctx context.Context, o experiment.Options) (*report.Report, error) {
	r, err := a.Lab.Run(ctx, o)
	a.Announce(context.WithoutCancel(ctx), r)
	return r, err
}
