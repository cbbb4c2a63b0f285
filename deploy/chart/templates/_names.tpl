{{/* The name that the name of each object begins with: RELEASE-lifeboat, or with an alias
RELEASE-ALIAS-lifeboat. RELEASE alone could be that of another alias, and the alerts find
CronJobs by "lifeboat-" and the job. An alias can have capitals and "_", a release ".".
The longest suffix, -release-compact, leaves 36 of a CronJob's 52 characters. A hash keeps
apart longer names that begin alike. */}}
{{- define "lifeboat.name" -}}
{{- $name := .Release.Name }}
{{- if ne .Chart.Name "lifeboat" }}{{ $name = printf "%s-%s-lifeboat" $name .Chart.Name }}
{{- else if not (hasSuffix "lifeboat" $name) }}{{ $name = printf "%s-lifeboat" $name }}{{ end }}
{{- $name = .Values.fullnameOverride | default $name }}
{{- $hash := sha256sum $name | trunc 8 }}
{{- $name = $name | lower | replace "_" "-" | replace "." "-" }}
{{- if gt (len $name) 36 }}{{ $name = printf "%s-%s-lifeboat" ($name | trunc 18 | trimSuffix "-") $hash }}{{ end }}
{{- $name }}
{{- end }}

{{/* The metadata of an object with a suffix: (dict "root" $ "suffix" "-backup"). */}}
{{- define "lifeboat.metadata" -}}
name: {{ include "lifeboat.name" .root }}{{ .suffix }}
namespace: {{ .root.Release.Namespace }}
labels:
  app.kubernetes.io/name: lifeboat
  app.kubernetes.io/instance: {{ .root.Release.Name }}
  app.kubernetes.io/managed-by: {{ .root.Release.Service }}
  helm.sh/chart: {{ printf "lifeboat-%s" .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The labels of the jobs' pods, and of no other release's. */}}
{{- define "lifeboat.selector" -}}
app.kubernetes.io/name: lifeboat
lifeboat/release: {{ include "lifeboat.name" . | quote }}
{{- end }}

{{/* Where the snapshots go. The series of compact snapshots has this URL and -compact. */}}
{{- define "lifeboat.bucketURL" -}}
{{- if contains "://" .Values.s3.bucket }}{{ .Values.s3.bucket }}
{{- else }}
{{- $series := .Release.Name }}
{{- if ne .Chart.Name "lifeboat" }}{{ $series = printf "%s-%s" $series .Chart.Name }}{{ end }}
{{- if and (hasSuffix "-compact" $series) (not .Values.s3.prefix) }}
{{- fail (printf "s3.prefix is not set, and the default ends in -compact: %s can be the compact series of %s" $series (trimSuffix "-compact" $series)) }}
{{- end -}}
s3://{{ .Values.s3.bucket }}/{{ .Values.s3.prefix | default (printf "%s/%s" .Release.Namespace $series) }}
{{- end }}
{{- end }}

{{/* The Secret of a role, "" with web identity or files: (dict "root" $ "role" "backup"). */}}
{{- define "lifeboat.secret" -}}
{{- $own := index .root.Values .role }}
{{- if $own.existingFilesSecret }}
{{- else if $own.existingSecret }}{{ $own.existingSecret }}
{{- else if not $own.roleARN }}
{{- required (printf "s3.existingSecret is not set, and neither is %s.roleARN" .role) .root.Values.s3.existingSecret }}
{{- end }}
{{- end }}

{{/* The labels of the application's pods. */}}
{{- define "lifeboat.podLabels" -}}
{{- $labels := .Values.app.podLabels }}
{{- $claim := .Values.claim }}
{{- if not $labels }}
{{- range $kind := list "Deployment" "StatefulSet" }}
{{- range $workload := (lookup "apps/v1" $kind $.Release.Namespace "").items }}
{{- range $workload.spec.template.spec.volumes }}
{{- if eq (dig "persistentVolumeClaim" "claimName" "" .) $claim }}
{{- $labels = $workload.spec.selector.matchLabels }}
{{- end }}
{{- end }}
{{- /* A StatefulSet's own claims: data-app-0 is that of its pod app-0. */}}
{{- range $workload.spec.volumeClaimTemplates }}
{{- if regexMatch (printf "^%s-%s-[0-9]+$" .metadata.name $workload.metadata.name) $claim }}
{{- $labels = dict "statefulset.kubernetes.io/pod-name" (trimPrefix (printf "%s-" .metadata.name) $claim) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $labels | default (dict "app.kubernetes.io/instance" .Release.Name) | toYaml }}
{{- end }}
