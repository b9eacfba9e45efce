// Package incident folds the steps of incidents and of maintenance.
package incident
