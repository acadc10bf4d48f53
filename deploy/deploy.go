// Package deploy holds what a team starts tidegauge with; its tests start it.
package deploy
