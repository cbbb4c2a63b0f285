package kubetest

import (
	"errors"
	"slices"
	"testing"
)

// A CronJob is what tests look at of one.
type CronJob struct {
	Metadata Metadata
	Spec     struct {
		Schedule, TimeZone, ConcurrencyPolicy              string
		Suspend                                            bool
		StartingDeadlineSeconds                            int
		SuccessfulJobsHistoryLimit, FailedJobsHistoryLimit int
		JobTemplate                                        struct{ Spec Job }
	}
}

// A Job is what it would run.
type Job struct {
	BackoffLimit, ActiveDeadlineSeconds, TTLSecondsAfterFinished int
	Completions, Parallelism, BackoffLimitPerIndex               int
	CompletionMode                                               string
	PodFailurePolicy                                             struct{ Rules []FailureRule }
	Template                                                     PodTemplate
}

// A FailureRule decides what becomes of a Job whose pod has failed.
type FailureRule struct {
	Action      string
	OnExitCodes *struct {
		ContainerName, Operator string
		Values                  []int
	}
	OnPodConditions []struct{ Type, Status string }
}

// A PodTemplate makes pods.
type PodTemplate struct {
	Metadata Metadata
	Spec     Pod
}

// A Pod is a pod's specification.
type Pod struct {
	RestartPolicy, ServiceAccountName                string
	TerminationGracePeriodSeconds                    int
	AutomountServiceAccountToken, EnableServiceLinks *bool
	HostNetwork, HostPID, HostIPC                    bool
	SecurityContext                                  map[string]any
	Affinity                                         struct {
		PodAffinity struct {
			RequiredDuringSchedulingIgnoredDuringExecution []struct {
				TopologyKey   string
				LabelSelector struct {
					MatchLabels      map[string]string
					MatchExpressions []struct {
						Key, Operator string
						Values        []string
					}
				}
			}
		}
	}
	InitContainers, Containers []Container
	Volumes                    []struct {
		Name                  string
		EmptyDir              *struct{ SizeLimit, Medium string }
		PersistentVolumeClaim *struct {
			ClaimName string
			ReadOnly  bool
		}
		ConfigMap *struct{ Name string }
		Secret    *struct {
			SecretName  string
			DefaultMode int
		}
	}
}

// A Container is one of a pod's.
type Container struct {
	Name, Image, ImagePullPolicy, RestartPolicy string
	Command, Args                               []string
	Env                                         []Variable
	EnvFrom                                     []struct {
		ConfigMapRef, SecretRef *struct {
			Name     string
			Optional bool
		}
	}
	SecurityContext map[string]any
	Resources       struct{ Requests, Limits map[string]string }
	VolumeMounts    []struct {
		Name, MountPath string
		ReadOnly        bool
	}
}

// A Variable is one of a container's.
type Variable struct {
	Name, Value string
	ValueFrom   struct{ FieldRef struct{ FieldPath string } }
}

// Secret returns the name of the Secret that the container gets, or "".
func (c Container) Secret() string {
	for _, from := range c.EnvFrom {
		if from.SecretRef != nil {
			return from.SecretRef.Name
		}
	}
	return ""
}

// CronJobs returns those of the objects.
func CronJobs(t testing.TB, objects []Object) []CronJob {
	t.Helper()
	var jobs []CronJob
	for _, o := range objects {
		if o.Kind == "CronJob" {
			var job CronJob
			o.As(t, &job)
			jobs = append(jobs, job)
		}
	}
	return jobs
}

// Named returns the CronJob with a name.
func Named(t testing.TB, jobs []CronJob, name string) CronJob {
	t.Helper()
	i := slices.IndexFunc(jobs, func(j CronJob) bool { return j.Metadata.Name == name })
	if i < 0 {
		t.Fatalf("no CronJob %s", name)
	}
	return jobs[i]
}

// Settings returns what the ConfigMap lifeboat holds.
func Settings(objects []Object) (map[string]string, error) {
	for _, o := range objects {
		if o.Kind == "ConfigMap" && o.Metadata.Name == "lifeboat" {
			var m struct{ Data map[string]string }
			err := o.Decode(&m)
			return m.Data, err
		}
	}
	return nil, errors.New("no ConfigMap lifeboat")
}
