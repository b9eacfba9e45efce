# syntax=docker/dockerfile:1
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /tillstream ./cmd/tillstream

# No shell, no package manager, not root. It is base, not static: purego, which loads the embedded ClickHouse, links the binary to glibc even
# without cgo. demo needs npm too, so it is not for this image; run is.
FROM gcr.io/distroless/base-debian12:nonroot
COPY --from=build /tillstream /tillstream
EXPOSE 9464
ENTRYPOINT ["/tillstream"]
CMD ["run"]
