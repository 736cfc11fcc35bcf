# syntax=docker/dockerfile:1

# For builds that can be repeated to the byte, pin the base by digest:
#   docker buildx imagetools inspect node:26-slim        prints it
#   docker build --build-arg NODE_IMAGE=node:26-slim@sha256:… .
ARG NODE_IMAGE=node:26-slim

# The sources built. Install scripts are not needed: the image has its own Node.js, so the pinned `node` package of
# the development tree is left without its binary.
FROM ${NODE_IMAGE} AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json rolldown.config.js ./
COPY src src
RUN npm run build

# What runs needs, and nothing else.
FROM ${NODE_IMAGE} AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts

FROM ${NODE_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Tealgate" \
      org.opencontainers.image.description="A reverse proxy for zero-downtime releases" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules node_modules
COPY --from=build /app/dist dist
COPY package.json LICENSE ./
COPY bin bin
# The only place that is written to: store.path in the configuration should be /var/lib/tealgate/tealgate.db.
RUN install -d -o 65532 -g 65532 -m 0700 /var/lib/tealgate
VOLUME /var/lib/tealgate
USER 65532:65532
# Traffic and the admin endpoint, by the addresses that the examples use.
EXPOSE 8080 9901
STOPSIGNAL SIGTERM
# TEALGATE_ADMIN names the admin endpoint where it is not http://127.0.0.1:9901.
HEALTHCHECK --interval=10s --timeout=5s --start-period=10s --retries=3 \
  CMD ["node", "/app/bin/tealgate.js", "healthcheck", "--quiet"]
ENTRYPOINT ["node", "/app/bin/tealgate.js"]
CMD ["run", "--config", "/etc/tealgate/tealgate.yaml"]
