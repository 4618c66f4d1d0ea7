/** A registry with people, projects and images in it, and a browser to look at it: what every test of the portal begins with. */
import { chromium, type Browser, type BrowserContext, type Page, type Request } from 'playwright-core'
import { basicAuthorization, sendRequest } from '../support/http-client.ts'
import {
  digestOfBytes,
  mediaTypes,
  pushArtifact,
  pushIndex,
  registryClient,
  type PushedManifest,
  type RegistryClient,
} from '../support/registry-client.ts'
import { startBerth, type RunningBerth } from '../support/start-berth.ts'
import { tarOf } from '../support/tar.ts'
import { until } from '../support/until.ts'
import { gzipSync } from 'node:zlib'

export interface Stage extends AsyncDisposable {
  readonly berth: RunningBerth
  readonly browser: Browser
  readonly password: string
  /** The administrator's, past the browser. */
  readonly root: RegistryClient
  api(method: string, path: string, body?: unknown): Promise<Record<string, unknown>>
}

/** Starts an empty registry with accounts, and a browser. `hostname`: what the browser calls it; a passkey is of a name, never of an address. */
export async function openStage({ hostname }: { readonly hostname?: string } = {}): Promise<Stage> {
  await using stack = new AsyncDisposableStack()
  const config = { auth: { accounts: { realm: 'berth-portal' } }, outgoing: { allowednetworks: ['loopback'] } }
  const berth = stack.use(await startBerth({ config, ...(hostname !== undefined && { hostname }) }))
  const find = () => /^ +password +(\S+)$/mu.exec(berth.logs())?.[1]
  await until('the password of the first administrator is printed', () => find() !== undefined)
  const password = find() ?? ''
  const browser = await openBrowser()
  stack.defer(() => browser.close())
  const authorization = basicAuthorization('admin', password)
  const opened = stack.move()
  return {
    berth,
    browser,
    password,
    root: registryClient(berth.url, { authorization }),
    async api(method, path, body) {
      const headers = { authorization, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }
      const answer = await sendRequest(`${berth.url}/api/v1${path}`, {
        method,
        headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString()}`)
      return answer.body.length === 0 ? {} : (JSON.parse(answer.body.toString()) as Record<string, unknown>)
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}

/** Debian's Chromium, without a screen. */
export function openBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  })
}

export interface WindowOptions {
  readonly language?: 'en' | 'zh-CN'
  readonly scheme?: 'light' | 'dark'
  readonly width?: number
  readonly height?: number
}

/** A window of its own, as of somebody who opens the portal for the first time. */
export async function openWindow(
  { browser }: Pick<Stage, 'browser'>,
  { language = 'en', scheme = 'light', width = 1440, height = 900 }: WindowOptions = {},
): Promise<BrowserContext> {
  const context = await browser.newContext({
    locale: language === 'en' ? 'en-GB' : language,
    colorScheme: scheme,
    viewport: { width, height },
    reducedMotion: 'reduce',
    timezoneId: 'UTC',
  })
  context.setDefaultTimeout(10_000)
  const open = new Set<Request>()
  underWay.set(context, open)
  context.on('request', (request) => {
    // What goes on for ever is waited for by nobody.
    if (!request.url().includes('/api/v1/live')) open.add(request)
  })
  context.on('requestfinished', (request) => open.delete(request))
  context.on('requestfailed', (request) => open.delete(request))
  return context
}

const underWay = new WeakMap<BrowserContext, ReadonlySet<Request>>()

/** Waits until the page asks for nothing more and shows no stand-ins. Playwright's own `networkidle` takes half a second each time. */
export async function settled(page: Page): Promise<void> {
  const isBusy = async () =>
    (underWay.get(page.context())?.size ?? 0) > 0 || Boolean(await page.evaluate("document.querySelector('[aria-busy=true]') !== null"))
  let quiet = 0
  await until(`${page.url()} is complete`, async () => {
    quiet = (await isBusy()) ? 0 : quiet + 1
    return quiet > 3
  })
}

/** Signs in by the form, in whatever language it is. */
export async function signIn(page: Page, { berth, password }: Pick<Stage, 'berth' | 'password'>, name = 'admin'): Promise<void> {
  await page.goto(`${berth.url}/login`)
  await page.fill('input[autocomplete=username]', name)
  await page.fill('input[autocomplete=current-password]', password)
  await page.click('button[type=submit]')
  await page.waitForURL(/\/projects/u)
}

/** Drops on the page the file that the expression makes there. */
export async function dropFile(page: Page, file: string): Promise<void> {
  await page.evaluate(`(() => {
    const dataTransfer = new DataTransfer()
    dataTransfer.items.add(${file})
    for (const type of ['dragover', 'drop']) window.dispatchEvent(new DragEvent(type, { dataTransfer, bubbles: true, cancelable: true }))
  })()`)
}

interface RichImage {
  readonly architecture: string
  readonly command: string
  readonly sizes: readonly number[]
  readonly annotations?: Readonly<Record<string, string>>
  readonly seed: string
}

/** Pushes an image with as many layers, a history with empty steps, variables and ports. */
export async function pushRichImage(
  client: RegistryClient,
  repository: string,
  tag: string | undefined,
  image: RichImage,
): Promise<PushedManifest> {
  const archives = image.sizes.map((size, at) => tarOf({ [`srv/${image.seed}-${at}`]: noise(`${image.seed}${at}`, size) }))
  const layers = await Promise.all(
    archives.map((archive) => client.pushBlob(repository, gzipSync(archive, { level: 1 }), mediaTypes.gzipLayer)),
  )
  const commands = [
    '/bin/sh -c #(nop) ADD file:rootfs in / ',
    'RUN /bin/sh -c apt-get update && apt-get install -y curl # buildkit',
    'COPY dist /srv # buildkit',
  ]
  const config = {
    os: 'linux',
    architecture: image.architecture,
    created: '2026-11-20T10:00:00Z',
    config: {
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'NODE_ENV=production'],
      Entrypoint: ['/usr/bin/tini', '--'],
      Cmd: ['node', image.command],
      ExposedPorts: { '8080/tcp': {} },
      User: '1000:1000',
      WorkingDir: '/srv',
      Labels: { 'org.opencontainers.image.source': 'https://example.com/app' },
    },
    rootfs: { type: 'layers', diff_ids: archives.map((archive) => digestOfBytes(archive)) },
    history: [
      ...image.sizes.map((_, at) => ({ created: '2026-11-20T09:00:00Z', created_by: commands[at] ?? `RUN step ${at}` })),
      { created: '2026-11-20T10:00:00Z', created_by: `CMD ["node" "${image.command}"]`, empty_layer: true },
    ],
  }
  const configDescriptor = await client.pushBlob(repository, Buffer.from(JSON.stringify(config)), mediaTypes.config)
  const { annotations } = image
  return await client.pushManifest(repository, tag, {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config: configDescriptor,
    layers,
    ...(annotations !== undefined && { annotations }),
  })
}

/** Bytes that no compression makes smaller, the same each time. */
function noise(seed: string, size: number): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0, length = 0; length < size; at++, length += 32)
    pieces.push(Buffer.from(digestOfBytes(Buffer.from(`${seed} ${at}`)).slice(7), 'hex'))
  return Buffer.concat(pieces).subarray(0, size)
}

/** What the pages are tested on: two projects, an application for two platforms with a signature and an SBOM that is signed itself, a few tags. */
export async function furnish(stage: Stage): Promise<{ readonly index: PushedManifest; readonly amd64: PushedManifest }> {
  const { root, api } = stage
  await api('POST', '/projects', { name: 'team', description: 'Services of the **platform** team.\n\n- api\n- worker', isPublic: false })
  await api('POST', '/projects', { name: 'open', description: 'Base images for everybody', isPublic: true })
  await api('PUT', '/projects/team/quota', { bytesMax: 2_000_000, tagsMax: 100 })
  const sizes = [180_000, 60_000, 12_000]
  const annotations = { 'org.opencontainers.image.title': 'api', 'org.opencontainers.image.revision': '4f1c2d9' }
  const amd64 = await pushRichImage(root, 'team/api', undefined, {
    architecture: 'amd64',
    command: 'server.js',
    sizes,
    annotations,
    seed: 'amd64',
  })
  const arm64 = await pushRichImage(root, 'team/api', undefined, { architecture: 'arm64', command: 'server.js', sizes, seed: 'arm64' })
  const platforms = [
    { ...amd64.descriptor, platform: { os: 'linux', architecture: 'amd64' } },
    { ...arm64.descriptor, platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
  ]
  const index = await pushIndex(root, 'team/api', 'latest', platforms)
  for (const [at, tag] of ['1.0.0', '1.0.1', '1.1.0', '2.0.0-rc.1'].entries())
    await pushRichImage(root, 'team/api', tag, {
      architecture: 'amd64',
      command: `server-${at}.js`,
      sizes: [180_000, 30_000 + at],
      seed: `amd64${at}`,
      annotations,
    })
  await pushRichImage(root, 'team/api', '1.0.0', {
    architecture: 'amd64',
    command: 'fixed.js',
    sizes: [180_000, 40_000],
    seed: 'amd64',
    annotations,
  })
  const bill = await pushArtifact(root, 'team/api', {
    artifactType: 'application/spdx+json',
    content: Buffer.from('{}'),
    subject: amd64.descriptor,
  })
  for (const subject of [amd64.descriptor, bill.descriptor])
    await pushArtifact(root, 'team/api', {
      artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json',
      content: Buffer.from(`signature of ${subject.digest}`),
      subject,
    })
  await pushRichImage(root, 'team/worker', 'latest', {
    architecture: 'amd64',
    command: 'worker.js',
    sizes: [180_000, 9_000],
    seed: 'amd64',
  })
  await pushRichImage(root, 'open/base', '12', { architecture: 'amd64', command: 'sh', sizes: [180_000], seed: 'amd64' })
  await pushArtifact(root, 'open/charts', {
    artifactType: 'application/vnd.cncf.helm.config.v1+json',
    content: Buffer.from('chart'),
    tag: '0.1.0',
  })
  return { index, amd64 }
}
