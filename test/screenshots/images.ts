/** Images that look like those of every day: a Debian with its packages, a runtime, what an application needs, the application. */
import { createCipheriv, createHash } from 'node:crypto'
import { gzipSync } from 'node:zlib'
import { digestOfBytes, mediaTypes, type Descriptor, type PushedManifest, type RegistryClient } from '../support/registry-client.ts'
import { tarEntries, type Entry } from '../support/tar-entries.ts'

/** What Debian calls a release, and versions of packages in it. */
export interface Base {
  readonly release: string
  readonly packages: Readonly<Record<string, string>>
}

const common = {
  adduser: '3.134',
  'base-files': '12.4+deb12u11',
  bash: '5.2.15-2+b8',
  'ca-certificates': '20230311+deb12u1',
  coreutils: '9.1-1',
  dash: '0.5.12-2',
  grep: '3.8-5',
  libc6: '2.36-9+deb12u10',
  tini: '0.19.0-1+b3',
}
export const older: Base = {
  release: '12.10',
  packages: {
    ...common,
    curl: '7.88.1-10+deb12u12',
    libcurl4: '7.88.1-10+deb12u12',
    libssl3: '3.0.15-1~deb12u1',
    openssl: '3.0.15-1~deb12u1',
    libxml2: '2.9.14+dfsg-1.3~deb12u1',
    'perl-base': '5.36.0-7+deb12u1',
    wget: '1.21.3-1+deb12u1',
    zlib1g: '1:1.2.13.dfsg-1',
  },
}
export const newer: Base = {
  release: '12.11',
  packages: {
    ...common,
    'base-files': '12.4+deb12u12',
    curl: '7.88.1-10+deb12u14',
    libcurl4: '7.88.1-10+deb12u14',
    libc6: '2.36-9+deb12u13',
    libssl3: '3.0.17-1~deb12u2',
    openssl: '3.0.17-1~deb12u2',
    libxml2: '2.9.14+dfsg-1.3~deb12u4',
    'perl-base': '5.36.0-7+deb12u3',
    libjemalloc2: '5.3.0-1',
    zlib1g: '1:1.2.13.dfsg-1',
  },
}

export interface AppImage {
  readonly name: string
  readonly version: string
  readonly architecture: 'amd64' | 'arm64'
  readonly base: Base
  readonly node: string
}

/** Bytes that no compression makes smaller, the same each time. */
function noise(seed: string, size: number): Buffer {
  const key = createHash('sha256').update(seed).digest()
  return createCipheriv('aes-256-ctr', key, Buffer.alloc(16)).update(Buffer.alloc(size))
}

const directories = (...paths: string[]): Entry[] => paths.map((path) => ({ path: `${path}/`, type: '5', mode: 0o755 }))

function baseLayer({ release, packages }: Base, architecture: string): Entry[] {
  const status = Object.entries(packages).map(
    ([name, version]) => `Package: ${name}\nStatus: install ok installed\nArchitecture: ${architecture}\nVersion: ${version}\n`,
  )
  return [
    ...directories(
      'etc',
      'etc/ssl',
      'home',
      'opt',
      'root',
      'tmp',
      'usr',
      'usr/bin',
      'usr/lib',
      'usr/share',
      'var',
      'var/lib',
      'var/lib/dpkg',
      'var/log',
    ),
    { path: 'bin', type: '2', link: 'usr/bin' },
    { path: 'lib', type: '2', link: 'usr/lib' },
    { path: 'etc/os-release', content: `PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="${release}"\nID=debian\n` },
    { path: 'etc/debian_version', content: `${release}\n` },
    { path: 'etc/passwd', content: 'root:x:0:0:root:/root:/bin/bash\nnode:x:1000:1000::/home/node:/bin/bash\n' },
    { path: 'var/lib/dpkg/status', content: `${status.join('\n')}\n` },
    { path: 'usr/bin/bash', content: noise('bash', 1_300_000), mode: 0o755 },
    { path: 'usr/bin/openssl', content: noise(`openssl ${packages['openssl']} ${architecture}`, 980_000), mode: 0o755 },
    { path: 'usr/lib/libc.so.6', content: noise(`libc ${packages['libc6']} ${architecture}`, 1_900_000), mode: 0o755 },
    { path: 'usr/lib/libssl.so.3', content: noise(`libssl ${packages['libssl3']} ${architecture}`, 680_000) },
    { path: 'usr/share/ca-certificates', content: noise('certificates', 210_000) },
  ]
}

const runtimeLayer = (node: string, architecture: string): Entry[] => [
  ...directories('usr/local', 'usr/local/bin'),
  { path: 'usr/local/bin/node', content: noise(`node ${node} ${architecture}`, 9_400_000), mode: 0o755 },
  { path: 'usr/local/bin/npm', type: '2', link: '../lib/node_modules/npm/bin/npm-cli.js' },
]

const libraries = { fastify: '5.12.8', pino: '10.4.0', pg: '8.23.1', undici: '8.12.4', yaml: '2.9.1' }

const librariesLayer = (name: string): Entry[] => [
  ...directories('srv', 'srv/node_modules'),
  ...Object.entries(libraries).flatMap(([library, version], at): Entry[] => [
    ...directories(`srv/node_modules/${library}`),
    { path: `srv/node_modules/${library}/package.json`, content: `${JSON.stringify({ name: library, version }, undefined, 2)}\n` },
    { path: `srv/node_modules/${library}/index.js`, content: noise(`${name} ${library}`, 90_000 * (at + 1)) },
  ]),
]

function applicationLayer({ name, version }: AppImage): Entry[] {
  const server = [
    "import Fastify from 'fastify'",
    "import { readFile } from 'node:fs/promises'",
    "import { parse } from 'yaml'",
    "import { orders } from './routes/orders.js'",
    '',
    "const settings = parse(await readFile('/srv/config/default.yaml', 'utf8'))",
    'const app = Fastify({ logger: { level: settings.log.level }, trustProxy: true })',
    '',
    `// ${name} ${version}`,
    "app.get('/healthz', async () => ({ ok: true }))",
    "app.register(orders, { prefix: '/orders', database: settings.database })",
    '',
    "process.once('SIGTERM', () => app.close())",
    "await app.listen({ host: '::', port: settings.http.port })",
    '',
  ]
  return [
    ...directories('srv', 'srv/config', 'srv/public', 'srv/routes'),
    { path: 'srv/README.md', content: `# ${name}\n\nTakes orders, keeps them, and tells who must know.\n` },
    {
      path: 'srv/package.json',
      content: `${JSON.stringify({ name, version, type: 'module', main: 'server.js', dependencies: libraries }, undefined, 2)}\n`,
    },
    { path: 'srv/server.js', content: server.join('\n') },
    { path: 'srv/config/default.yaml', content: `log:\n  level: info\nhttp:\n  port: 8080\ndatabase:\n  pool: ${version.length + 8}\n` },
    {
      path: 'srv/routes/orders.js',
      content: `export const orders = async (app) => {\n  // ${version}\n  app.get('/', async () => [])\n}\n`,
    },
    { path: 'srv/public/app.js', content: noise(`${name} ${version}`, 240_000) },
    { path: 'srv/public/index.html', content: `<!doctype html><title>${name} ${version}</title>\n` },
    { path: 'srv/start', type: '2', link: 'server.js' },
  ]
}

interface Packed {
  readonly bytes: Buffer
  readonly diffId: string
}
const packedLayers = new Map<string, Packed>()

function packed(key: string, make: () => Entry[]): Packed {
  let found = packedLayers.get(key)
  if (found === undefined) {
    const archive = tarEntries(make().map((entry) => ({ modifiedAt: 1_795_000_000, ...entry })))
    found = { bytes: gzipSync(archive, { level: 1 }), diffId: digestOfBytes(archive) }
    packedLayers.set(key, found)
  }
  return found
}

const pushed = new Map<string, Promise<Descriptor>>()

/** Pushes the image; to its digest alone when there is no tag. Layers that the repository has are not sent again. */
export async function pushApp(
  client: RegistryClient,
  repository: string,
  tag: string | undefined,
  image: AppImage,
): Promise<PushedManifest> {
  const { architecture, base, node, name, version } = image
  const layers = [
    packed(`base ${base.release} ${architecture}`, () => baseLayer(base, architecture)),
    packed(`node ${node} ${architecture}`, () => runtimeLayer(node, architecture)),
    packed(`libraries ${name}`, () => librariesLayer(name)),
    packed(`application ${name} ${version}`, () => applicationLayer(image)),
  ]
  const send = (bytes: Buffer, mediaType: string) => {
    const key = `${repository} ${digestOfBytes(bytes)}`
    const sent = pushed.get(key) ?? client.pushBlob(repository, bytes, mediaType)
    pushed.set(key, sent)
    return sent
  }
  const config = {
    os: 'linux',
    architecture,
    created: '2026-11-20T10:00:00Z',
    author: 'Platform team',
    config: {
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', `NODE_VERSION=${node}`, 'NODE_ENV=production'],
      Entrypoint: ['/usr/bin/tini', '--'],
      Cmd: ['node', 'server.js'],
      ExposedPorts: { '8080/tcp': {} },
      User: '1000:1000',
      WorkingDir: '/srv',
      Labels: { 'org.opencontainers.image.version': version, 'org.opencontainers.image.source': `https://git.example.com/shop/${name}` },
    },
    rootfs: { type: 'layers', diff_ids: layers.map(({ diffId }) => diffId) },
    history: [
      { created: '2026-11-18T02:10:00Z', created_by: '/bin/sh -c #(nop) ADD file:rootfs.tar.xz in / ' },
      { created: '2026-11-18T02:10:01Z', created_by: `ENV NODE_VERSION=${node}`, empty_layer: true },
      { created: '2026-11-18T02:11:40Z', created_by: 'COPY /usr/local/bin/ /usr/local/bin/ # buildkit' },
      { created: '2026-11-20T09:58:10Z', created_by: 'WORKDIR /srv', empty_layer: true },
      { created: '2026-11-20T09:58:40Z', created_by: 'RUN /bin/sh -c npm ci --omit=dev # buildkit' },
      { created: '2026-11-20T10:00:00Z', created_by: 'COPY dist /srv # buildkit' },
      { created: '2026-11-20T10:00:00Z', created_by: 'USER 1000:1000', empty_layer: true },
      { created: '2026-11-20T10:00:00Z', created_by: 'CMD ["node" "server.js"]', empty_layer: true },
    ],
  }
  const annotations = { 'org.opencontainers.image.title': name, 'org.opencontainers.image.version': version }
  return await client.pushManifest(repository, tag, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: await send(Buffer.from(JSON.stringify(config)), mediaTypes.config),
    layers: await Promise.all(layers.map(({ bytes }) => send(bytes, mediaTypes.gzipLayer))),
    annotations,
  })
}
