{{/* What the name of each object begins with: the release, and the chart or its alias. The
longest suffix leaves 36 of a CronJob's 52 characters. A name that is longer keeps apart by
a hash from others that begin like it. */}}
{{- define "lifeboat.name" -}}
{{- $name := .Release.Name }}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end }}
{{- $name = .Values.fullnameOverride | default $name }}
{{- if gt (len $name) 36 }}{{ $name = printf "%s-%s" ($name | trunc 27 | trimSuffix "-") (sha256sum $name | trunc 8) }}{{ end }}
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

{{- define "lifeboat.bucketURL" -}}
{{- if contains "://" .Values.s3.bucket }}{{ .Values.s3.bucket }}
{{- else }}
{{- $series := .Release.Name }}
{{- if ne .Chart.Name "lifeboat" }}{{ $series = printf "%s-%s" $series .Chart.Name }}{{ end -}}
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
