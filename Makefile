# make demo shows Lifeboat at work, make test tests it. Both fetch what is
# missing: see make tools and make tools-test.

TAGS     = sqlite_fts5,sqlite_math_functions,sqlite_omit_load_extension,netgo,osusergo
# 1.2.3 of the tag v1.2.3, behind it 1.2.3+4.g3b8b20c, without a tag 0.0.0+0.g3b8b20c.
VERSION := $(shell { git describe --tags --match 'v[0-9]*' --dirty=+dirty 2>/dev/null || echo "v0.0.0-0-g$$(git describe --always --exclude '*' --dirty=+dirty 2>/dev/null || echo 0)"; } | \
	sed -E 's/^v//; s/-([0-9]+)-g/+\1.g/; s/\+(.*)\+/+\1./')
LDFLAGS  = -s -w -X main.version=$(VERSION)
GO       = CGO_ENABLED=1 go
GOBIN   := $(shell go env GOBIN)
ifeq ($(GOBIN),)
GOBIN   := $(firstword $(subst :, ,$(shell go env GOPATH)))/bin
endif

# Programs that are not ours, in the versions that the checks were made with.
# One file has them, which the tests read too.
pinned = $(shell awk '$$1 == "$(1)" { print $$2 }' upload/testserver/versions.txt)
AGE   := filippo.io/age/cmd/...@$(shell sed -n 's|.*filippo.io/age \(v[^ ]*\).*|\1|p' go.mod)
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/lifeboat-test
CEPH  := $(CACHE)/ceph
AXE   := $(CACHE)/axe-core-$(call pinned,axe-core)

FUZZTIME ?= 10m
RACE     ?= -race

# What make test and make short test, and more flags of go test for both.
PACKAGES  ?= ./...
TESTFLAGS ?=

# The image's name; what may build it, the first that works; the certificate
# authorities that it trusts: Mozilla's as Debian has them, and none that was
# added on this machine.
IMAGE           ?= localhost/lifeboat
IMAGE_TAG        = $(subst +,-,$(VERSION))
ENGINE          ?= docker podman buildah
CA_CERTIFICATES ?= /usr/share/ca-certificates/mozilla/*.crt
# The licences of the C library and of the certificates.
LICENCES        ?= /usr/share/doc/libc6/copyright /usr/share/common-licenses/LGPL-2.1 /usr/share/common-licenses/MPL-2.0

.PHONY: build static notices image release committed artefacts binaries packages images chart sbom version demo check short test e2e fuzz lint vuln bench tools tools-test tools-check tools-image tools-lint tools-images tools-release tools-packages tools-chart tools-publish clean

build: tools
	$(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS)' -o dist/lifeboat ./cmd/lifeboat

# One file that runs on any Linux of this architecture.
static: tools
	$(GO) build -trimpath -tags $(TAGS) -ldflags '$(LDFLAGS) -linkmode external -extldflags -static' -o dist/lifeboat-static ./cmd/lifeboat
	@if ldd dist/lifeboat-static >/dev/null 2>&1; then echo 'dist/lifeboat-static still needs shared libraries' >&2; exit 1; fi
	dist/lifeboat-static version

# The licences of all that is in that file, which packages and images have.
notices: static
	$(GO) run ./deploy/sbom/notices dist/lifeboat-static $(LICENCES) >dist/notices.txt

# A container image with that file and nothing to run beside it.
image: static notices tools-image
	deploy/image/context dist/image dist/lifeboat-static dist/notices.txt $(CA_CERTIFICATES)
	@$(engine); : $${engine:?none of $(ENGINE) works here}; set -x; $$engine build --file deploy/Dockerfile --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) \
		--tag $(IMAGE):$(IMAGE_TAG) --tag $(IMAGE):latest dist/image
	@$(engine); $$engine images $(IMAGE)

# All that a release has, in dist/release, with checksums. The same commit, Go, gcc,
# nfpm, buildah, Helm and certificates give the same bytes, in whatever directory.
release: committed artefacts

committed:
	@if [ -n "$$(git status --porcelain)" ]; then echo 'a release is made of what is committed' >&2; git status --short >&2; exit 1; fi

artefacts: binaries packages images chart sbom
	cd $(RELEASE) && sha256sum lifeboat* >SHA256SUMS && cat SHA256SUMS

RELEASE = dist/release
NOTICES = $(RELEASE)/lifeboat-$(VERSION)-notices.txt
# When what is built was committed.
EPOCH = $(shell git log -1 --format=%ct 2>/dev/null || echo 0)
# Both architectures, as deploy/packages/build and deploy/image/archive take them.
PROGRAMS_BUILT = amd64=$(RELEASE)/lifeboat-linux-amd64 arm64=$(RELEASE)/lifeboat-linux-arm64

binaries: tools-release
	rm -rf $(RELEASE)
	$(call release_for,amd64,x86_64-linux-gnu-gcc)
	$(call release_for,arm64,aarch64-linux-gnu-gcc)
	$(GO) run ./deploy/sbom/notices $(RELEASE)/lifeboat-linux-amd64 $(LICENCES) >$(NOTICES)

# For this machine's architecture with gcc itself, as make static has it: what that has
# compiled is not compiled again.
release_for = GOFLAGS= GOOS=linux GOARCH=$(1) CC=$(if $(filter $(1),$(shell go env GOHOSTARCH)),gcc,$(2)) $(GO) build -trimpath -buildvcs=true -tags $(TAGS) \
	-ldflags '$(LDFLAGS) -linkmode external -extldflags -static' -o $(RELEASE)/lifeboat-linux-$(1) ./cmd/lifeboat

# A deb and an rpm for each architecture.
packages: binaries tools-packages
	PATH="$(GOBIN):$$PATH" SOURCE_DATE_EPOCH=$(EPOCH) deploy/packages/build $(VERSION) $(RELEASE) $(RELEASE)/lifeboat-linux-$$(go env GOHOSTARCH) $(NOTICES) $(PROGRAMS_BUILT)

# The images of both architectures, as one OCI archive with one index.
images: binaries tools-images
	SOURCE_DATE_EPOCH=$(EPOCH) deploy/image/archive $(RELEASE)/lifeboat-$(VERSION)-image.tar $(VERSION) "$$(git rev-parse HEAD)" $(NOTICES) '$(CA_CERTIFICATES)' $(PROGRAMS_BUILT)

# The Helm chart, as helm install takes it.
chart: tools-chart
	PATH="$(GOBIN):$$PATH" helm lint deploy/chart --strict --quiet --kube-version 1.31 --values deploy/chart/ci/three-values.yaml
	PATH="$(GOBIN):$$PATH" SOURCE_DATE_EPOCH=$(EPOCH) helm package deploy/chart --version $(VERSION) --app-version $(VERSION) --destination $(RELEASE)

# What is in a release, as SPDX has it: the modules of the program, SQLite, the C
# library, and the files with their checksums.
sbom: binaries packages images chart
	$(GO) run -tags $(TAGS) ./deploy/sbom -version $(VERSION) -created $(EPOCH) -certificates "$$(dpkg-query -W -f '$${Version}' ca-certificates 2>/dev/null || true)" \
		-libc "$$(printf '#include <features.h>\n__GLIBC__ __GLIBC_MINOR__\n' | gcc -E -P - | tail -n 1 | tr ' ' .)" \
		$(RELEASE)/lifeboat* >dist/spdx.json
	mv dist/spdx.json $(RELEASE)/lifeboat-$(VERSION).spdx.json

version:
	@echo $(VERSION)

demo: build
	@PATH="$(CURDIR)/dist:$$PATH" sh cmd/lifeboat/demo.sh

# The short path, less than a minute: no servers, no race detector, and none of
# the tests that take seconds.
check: lint short
	$(GO) vet -tags $(TAGS),e2e ./...

# Half of the time would go into what a debugger needs.
short: tools-check
	PATH="$(GOBIN):$$PATH" $(GO) test -short -vet=off -ldflags '-s -w' -tags $(TAGS) $(TESTFLAGS) $(PACKAGES)

test: tools-test
	$(GO) vet -tags $(TAGS) ./...
	$(call tests,$(if $(RACE),$(RACE) -skip '$(COMPUTING)'),-vE '$(PROGRAMS)')
	$(if $(RACE),$(call tests,-run '$(COMPUTING)',-E '$(COMPUTED)'))
	$(call tests,,-E '$(PROGRAMS)')
	$(if $(RACE),$(call tests,$(RACE) -short,-E '$(PROGRAMS)'))

# These packages' tests start programs, hundreds of times. They are to be what
# users run, and with the race detector each takes seconds to start. With it go
# the short tests of these packages, and all of the others'.
PROGRAMS = /lifeboat/(cmd/lifeboat|restore)$$

# These tests compute for minutes, ten times as long with the race detector; what
# they call, other tests of these packages call with it.
COMPUTING = ^(TestDifferential|TestAcrossTheLockPage|TestSimulationOfYears)$$
COMPUTED  = /lifeboat/(snapshot|lifecycle)$$

# tests FLAGS,WHICH runs the tests of those of PACKAGES that grep finds.
tests = go list $(PACKAGES) | grep $(2) | PATH="$(GOBIN):$$PATH" CGO_ENABLED=1 xargs -r go test $(1) -timeout 50m -tags $(TAGS) $(TESTFLAGS)

# The deployment on a real Kubernetes: deploy/e2e/README.md says which.
e2e: tools-test image
	@$(engine); PATH="$(GOBIN):$$PATH" ENGINE=$$engine IMAGE=$(IMAGE):$(IMAGE_TAG) TAGS=$(TAGS) deploy/e2e/run

# Every fuzz target, one after the other, FUZZTIME each. make test runs their
# seeds. What one finds is in the package's testdata/fuzz afterwards.
fuzz: tools
	@for file in $$(grep -rl --include='*_test.go' '^func Fuzz' .); do \
		for target in $$(sed -n 's/^func \(Fuzz[A-Za-z]*\)(.*/\1/p' "$$file"); do \
			echo "$$target in $$(dirname "$$file") for $(FUZZTIME)"; \
			$(GO) test -tags $(TAGS) -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s "$$(dirname "$$file")" || exit 1; \
		done; \
	done

lint: tools-lint
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then echo "gofmt -w is due for: $$unformatted" >&2; exit 1; fi
	PATH="$$PATH:$(GOBIN)" staticcheck -tags $(TAGS),e2e ./...
	PATH="$$PATH:$(GOBIN)" actionlint

# Asks the Go vulnerability database.
vuln: tools-lint
	PATH="$$PATH:$(GOBIN)" govulncheck -tags $(TAGS) ./...

bench: tools
	$(GO) test -run '^$$' -bench . -tags $(TAGS) ./...

# What the build and the demo need, from apt if it is missing.
tools:
	@$(call from_apt,gcc:gcc sqlite3:sqlite3 zstd:zstd)

# What the short tests need beside that.
tools-check: tools
	@$(call from_apt,strace:strace ssh-keygen:openssh-client zsh:zsh fish:fish setpriv:util-linux)
	@$(call from_apt,newuidmap:uidmap busybox:busybox-static systemd-analyze:systemd groff:groff-base)
	@PATH="$(GOBIN):$$PATH"; age-keygen -pq >/dev/null 2>&1 || { echo 'building age with go install'; GOFLAGS= go install $(AGE); }
	@PATH="$(GOBIN):$$PATH"; command -v kustomize >/dev/null || { echo 'building kustomize with go install'; GOFLAGS= go install $(call pinned,kustomize); }
	@PATH="$(GOBIN):$$PATH"; command -v promtool >/dev/null || { echo 'taking promtool, which tests alerts, out of the package prometheus'; $(call out_of_package,$(call pinned,promtool),promtool); }

# What all tests need. MinIO, versitygw and rclone are test servers
# only, built from source; it takes some minutes, once. Ceph's packages, and what
# tests pages for accessibility in a browser, are below the user's cache directory.
tools-test: tools-check tools-release tools-packages tools-chart tools-publish
	@$(call from_apt,buildah:buildah rpm:rpm chromium:chromium restic:$(call pinned,restic) $(ca_certificates))
	@PATH="$(GOBIN):$$PATH"; command -v minio >/dev/null || { echo 'building MinIO, the test server, with go install'; GOFLAGS= go install $(call pinned,minio); }
	@PATH="$(GOBIN):$$PATH"; mc --version 2>/dev/null | grep -q '^mc version' || { echo 'building mc, its client, with go install'; GOFLAGS= go install $(call pinned,mc); }
	@PATH="$(GOBIN):$$PATH"; command -v versitygw >/dev/null || { echo 'building versitygw, another test server, with go install'; GOFLAGS= go install $(call pinned,versitygw); }
	@PATH="$(GOBIN):$$PATH"; rclone serve s3 --help >/dev/null 2>&1 || { echo 'building rclone, another test server, with go install'; GOFLAGS= go install $(call pinned,rclone); }
	@PATH="$(GOBIN):$$PATH"; command -v litestream >/dev/null || { echo 'building Litestream, from which people come, with go install'; GOFLAGS= go install $(call pinned,litestream); }
	@test -d "$(CEPH)" || echo 'fetching the packages of Ceph, another test server'; upload/testserver/ceph-unpack "$(CEPH)"
	@PATH="$(GOBIN):$$PATH"; command -v pushgateway >/dev/null || { echo 'building the Pushgateway, another test server'; $(call build_module,$(call pinned,pushgateway)); }
	@test -e "$(AXE)/axe.min.js" || { echo 'fetching axe-core, which tests pages'; $(call from_apt,npm:npm); $(call out_of_npm,axe-core@$(call pinned,axe-core),axe.min.js,$(AXE)); }

# buildah, and the certificates that go in.
tools-images:
	@$(call from_apt,buildah:buildah $(ca_certificates))

# Something that builds images, and the same certificates.
tools-image:
	@$(engine); $(call from_apt,$${engine:-buildah}:buildah $(ca_certificates))

ca_certificates = $(if $(wildcard $(CA_CERTIFICATES)),,:ca-certificates)

# A compiler for each architecture: one of them is gcc itself.
tools-release: tools
	@$(call from_apt,x86_64-linux-gnu-gcc:gcc-x86-64-linux-gnu x86_64-linux-gnu-gcc:libc6-dev-amd64-cross aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu aarch64-linux-gnu-gcc:libc6-dev-arm64-cross)

tools-chart:
	@PATH="$(GOBIN):$$PATH"; command -v helm >/dev/null || { echo 'building Helm with go install'; GOFLAGS= go install $(call pinned,helm); }

tools-publish:
	@PATH="$(GOBIN):$$PATH"; command -v crane >/dev/null || { echo 'building crane, which pushes images, with go install'; GOFLAGS= go install $(call pinned,crane); }

tools-packages:
	@PATH="$(GOBIN):$$PATH"; command -v nfpm >/dev/null || { echo 'building nfpm, which makes packages, with go install'; GOFLAGS= go install $(call pinned,nfpm); }

tools-lint:
	@PATH="$$PATH:$(GOBIN)"; command -v staticcheck >/dev/null || GOFLAGS= go install $(call pinned,staticcheck)
	@PATH="$$PATH:$(GOBIN)"; command -v govulncheck >/dev/null || GOFLAGS= go install $(call pinned,govulncheck)
	@PATH="$$PATH:$(GOBIN)"; command -v actionlint >/dev/null || GOFLAGS= go install $(call pinned,actionlint)

clean:
	rm -rf dist

# build_module builds the program of a module in a module made for it: go install
# asks for all its versions, which not every proxy tells.
define build_module
dir=$$(mktemp -d) && ( cd $$dir && export GOFLAGS=-mod=mod && go mod init tools 2>/dev/null && go mod edit -require=$(1) && mkdir -p $(GOBIN) && \
	go build -o $(GOBIN)/ $(firstword $(subst @, ,$(1))) ) && chmod -R u+w $$dir && rm -r $$dir
endef

# out_of_package fetches a package of apt's and takes one program out of it, where
# installing it would start a server.
define out_of_package
command -v apt-get >/dev/null || { echo "please install: $(2)" >&2; exit 1; }; \
sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; fetch='apt-get -qq -o APT::Sandbox::User=root download $(1)'; \
dir=$$(mktemp -d) && ( cd $$dir && { $$fetch 2>/dev/null || { $$sudo apt-get update -qq && $$fetch; }; } && \
	dpkg-deb --fsys-tarfile *.deb | tar -x ./usr/bin/$(2) && install -D usr/bin/$(2) $(GOBIN)/$(2) ) && rm -r $$dir
endef

# out_of_npm fetches a package of npm's and puts one file of it into a directory.
define out_of_npm
dir=$$(mktemp -d) && ( cd $$dir && npm pack --silent $(1) >/dev/null && tar -xzf *.tgz package/$(2) && install -D -m 644 package/$(2) $(3)/$(2) ) && rm -r $$dir
endef

# engine sets $engine to the first of ENGINE that works, if one does: docker may
# be there without its daemon.
define engine
engine=; for e in $(ENGINE); do if $$e info >/dev/null 2>&1; then engine=$$e; break; fi; done
endef

# from_apt installs the packages of those PROGRAM:PACKAGE pairs whose program
# is not there.
define from_apt
missing=; for pair in $(1); do command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair#*:}"; done; \
if [ -n "$$missing" ]; then \
	echo "installing with apt-get:$$missing"; \
	command -v apt-get >/dev/null || { echo "please install:$$missing" >&2; exit 1; }; \
	sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
	$$sudo apt-get update -qq && $$sudo env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $$missing libc6-dev; \
fi
endef
