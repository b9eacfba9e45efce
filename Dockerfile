# syntax=docker/dockerfile:1
FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
ARG VERSION=""
RUN CGO_ENABLED=0 go build -trimpath -ldflags "-s -w -X main.version=${VERSION}" -o /tillstream ./cmd/tillstream

# No shell, no package manager, not root. The embedded ClickHouse needs glibc and npm, so demo is not for this image; run is.
FROM gcr.io/distroless/static-debian12:nonroot
COPY --from=build /tillstream /tillstream
EXPOSE 9464
ENTRYPOINT ["/tillstream"]
CMD ["run"]
