import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { BrowserContext, Page } from 'playwright-core'
import { en } from '../../web/src/locales/en.ts'
import { sendRequest } from '../support/http-client.ts'
import { pushLayers } from '../support/layered-image.ts'
import { mediaTypes, pushArtifact, pushIndex } from '../support/registry-client.ts'
import { tarEntries } from '../support/tar-entries.ts'
import { assertHarmless, inputs, watcher, withoutSlashes, type Hostile, type Seen, type Step, type Watcher } from './hostile.ts'
import { dropFile, openStage, openWindow, signIn, type Stage } from './stage.ts'
import { gzipSync } from 'node:zlib'

const texts = inputs.map(({ text }) => text)
const lastInput = inputs.at(-1) ?? { name: '', text: '' }
const together = texts.join('\n\n')
const image = '/repositories/hostile/app/-/tags/one'
/** Words that mean something to JavaScript or to paths, and are good names of tags. */
const oddTags = ['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'javascript-hit.1', '_script_', 'NaN', '0', 'a..b', 'x--.tag']

let stage: Stage
let context: BrowserContext
let stranger: BrowserContext
let signedIn: Watcher
let signedOut: Watcher

before(async () => {
  stage = await openStage()
  await stage.api('POST', '/projects', { name: 'hostile', description: together, isPublic: true })
  const [labels, , one] = await Promise.all([namedByPeople(), accounts(), images()])
  for (const label of labels) await stage.api('PUT', `/repositories/hostile%2Fapp/manifests/${one}/labels/${label}`)
  context = await openWindow(stage, { width: 1800, height: 2400 })
  stranger = await openWindow(stage)
  signedIn = await watcher(context, stage.berth.url)
  signedOut = await watcher(stranger, stage.berth.url)
  const page = await context.newPage()
  await signIn(page, stage)
  await page.close()
})
after(async () => {
  await context?.close()
  await stranger?.close()
  await stage?.[Symbol.asyncDispose]()
})

/** Everything in the registry that people name or describe; returns the labels. */
async function namedByPeople(): Promise<readonly number[]> {
  const { api } = stage
  const labels: number[] = []
  for (const [at, text] of texts.entries()) {
    labels.push(Number((await api('POST', '/labels', { name: text, description: text }))['id']))
    await api('POST', '/groups', { name: text, description: text })
    await api('POST', '/projects/hostile/grants', { subject: { kind: 'group', name: text }, role: 'guest' })
    await api('POST', '/projects/hostile/robots', { name: `robot${at}`, description: text, hasSecret: false })
    await api('POST', '/projects/hostile/immutable-tag-rules', { tags: `none-${at}`, description: text })
    await api('POST', '/tokens', { name: text, scopes: [{ permissions: ['repository:pull'] }] })
    await api('POST', '/roles', { name: `role${at}`, title: text, description: text, permissions: ['repository:pull'] })
    const settings = { issuer: `http://127.0.0.1:9/${at}`, clientId: 'berth' }
    await api('POST', '/providers', { name: `provider${at}`, kind: 'oidc', title: text, settings })
  }
  await api('POST', '/roles', { name: 'constructor', title: 'Builds', description: 'Whatever is meant', permissions: ['repository:pull'] })
  return labels
}

/** People who call themselves so, and browsers. */
async function accounts(): Promise<void> {
  for (const [at, text] of texts.entries()) {
    await stage.api('POST', '/users', { name: `person${at}`, displayName: text })
    const headers = { 'content-type': 'application/json', 'user-agent': text }
    const body = JSON.stringify({ name: 'admin', password: stage.password })
    const answer = await sendRequest(`${stage.berth.url}/api/v1/session`, { method: 'POST', headers, body })
    assert.equal(answer.status, 200, answer.body.toString())
  }
}

/** Images that are full of it; returns the digest of the one that is most. */
async function images(): Promise<string> {
  const { root, api } = stage
  const files = [
    ...texts.map((text) => ({ path: 'x', pax: { path: `srv/${withoutSlashes(text)}` }, content: text })),
    ...texts.map((text, at) => ({ path: `links/${at}`, type: '2', pax: { linkpath: text } })),
    { path: 'doc/page.html', content: `<!doctype html><title>x</title>${together}` },
    { path: 'doc/drawing.svg', content: '<svg xmlns="http://www.w3.org/2000/svg"><script>parent.hit(16)</script></svg>' },
  ]
  const layer = { bytes: gzipSync(tarEntries(files)), mediaType: mediaTypes.gzipLayer }
  const [descriptor, plain] = [
    await root.pushBlob('hostile/app', layer.bytes, layer.mediaType),
    await pushLayers(root, { repository: 'hostile/app', tag: 'plain' }, [[{ path: 'etc/name', content: 'plain' }]]),
  ]
  const named = Object.fromEntries(
    texts.flatMap((text, at) => [
      [`key.${at}`, text],
      [text, `value ${at}`],
    ]),
  )
  const config = {
    os: 'linux',
    architecture: 'amd64',
    author: together,
    created: together,
    config: {
      Env: texts.map((text, at) => `V${at}=${text}`),
      Entrypoint: texts,
      Cmd: texts,
      User: together,
      WorkingDir: together,
      StopSignal: together,
      Labels: named,
      ExposedPorts: Object.fromEntries(texts.map((text) => [text, {}])),
      Volumes: Object.fromEntries(texts.map((text) => [text, {}])),
    },
    rootfs: { type: 'layers', diff_ids: [`sha256:${'0'.repeat(64)}`] },
    history: [
      { created_by: together, comment: together },
      ...texts.map((text) => ({ created_by: text, comment: text, author: text, empty_layer: true })),
    ],
  }
  const described = await root.pushBlob('hostile/app', Buffer.from(JSON.stringify(config)), mediaTypes.config)
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config: described, layers: [descriptor], annotations: named }
  const one = (await root.pushManifest('hostile/app', 'one', manifest)).descriptor
  const platforms = texts.map((text) => ({
    ...plain.descriptor,
    platform: { os: text, architecture: text, variant: text },
    annotations: { x: text },
  }))
  await pushIndex(root, 'hostile/app', 'index', platforms)
  await pushArtifact(root, 'hostile/app', {
    artifactType: 'application/vnd.x+json',
    content: Buffer.from('{}'),
    subject: one,
    annotations: named,
  })
  await pushChart()
  await api('PATCH', '/repositories/hostile%2Fapp', { description: together })
  for (const tag of oddTags) await root.pushManifest('hostile/tags', tag, (await plainManifest()).bytes)
  return one.digest
}

/** The same for every tag. */
let plainOne: ReturnType<typeof pushLayers> | undefined
async function plainManifest() {
  plainOne ??= pushLayers(stage.root, { repository: 'hostile/tags', tag: undefined }, [[{ path: 'etc/name', content: 'plain' }]])
  return await plainOne
}

/** A chart as Helm pushes it; its files lie in one layer. */
async function pushChart(): Promise<void> {
  const { root } = stage
  const files = [
    { path: 'app/Chart.yaml', content: `apiVersion: v2\nname: app\nversion: 0.1.0\ndescription: |\n  ${texts.join('\n  ')}\n` },
    { path: 'app/README.md', content: together },
  ]
  const chart = await root.pushBlob('hostile/chart', gzipSync(tarEntries(files)), 'application/vnd.cncf.helm.chart.content.v1.tar+gzip')
  const about = Buffer.from(
    JSON.stringify({ apiVersion: 'v2', name: 'app', version: '0.1.0', description: together, home: 'javascript:hit(17)' }),
  )
  const config = await root.pushBlob('hostile/chart', about, 'application/vnd.cncf.helm.config.v1+json')
  const annotations = { 'org.opencontainers.image.url': 'javascript:hit(18)', 'org.opencontainers.image.description': together }
  await root.pushManifest('hostile/chart', '0.1.0', {
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: [chart],
    annotations,
  })
}

interface Place {
  readonly name: string
  /** What of the input stands there; the text itself unless said. */
  readonly shown?: (input: Hostile) => string
  see(input: Hostile): Promise<Seen>
}

const textOf = ({ text }: Hostile) => text
const markdown = ({ text, asMarkdown }: Hostile) => asMarkdown ?? text
const inJson = ({ text }: Hostile) => JSON.stringify(text).slice(1, -1)
const beginning = ({ text }: Hostile) => text.slice(0, 60)
const inOneName = ({ text }: Hostile) => withoutSlashes(text)

const once = <Value>(make: () => Promise<Value>) => {
  let made: Promise<Value> | undefined
  return () => (made ??= make())
}

interface Showing extends Pick<Step, 'act' | 'within'> {
  readonly shown?: (input: Hostile) => string
}

/** Pages that show all inputs. */
function showing(paths: readonly string[], { shown = textOf, ...step }: Showing = {}): Place['see'] {
  return once(() => signedIn.pages(paths, { text: shown(lastInput), ...step }))
}

/** A page that shows one after the other, each after something was done. */
function showingEach(
  path: string,
  act: (page: Page, input: Hostile) => Promise<unknown>,
  { shown = textOf, within }: Omit<Showing, 'act'> = {},
): Place['see'] {
  const steps = () => inputs.map((input) => ({ text: shown(input), within, act: (page: Page) => act(page, input) }))
  const all = once(() => signedIn.steps(path, steps()))
  return async (input) => (await all())[inputs.indexOf(input)] ?? { pages: [], faults: [] }
}

/** Goes to another page as a link of the portal does. */
async function goTo(page: Page, path: string): Promise<void> {
  await page.evaluate(`history.pushState(null, '', ${JSON.stringify(path)}); dispatchEvent(new PopStateEvent('popstate'))`)
}

const places: readonly Place[] = [
  { name: 'the description of a project', shown: markdown, see: showing(['/projects/hostile'], { within: '.markdown' }) },
  {
    name: 'the table of projects',
    see: showing(['/projects'], {
      within: 'table',
      act: (page) => page.getByText(en.projects.table, { exact: true }).click({ force: true }),
    }),
  },
  {
    name: 'the field that a description is changed in',
    see: showing(['/projects/hostile/-/settings', '/repositories/hostile/app/-/settings']),
  },
  { name: 'the description of a repository', shown: markdown, see: showing(['/repositories/hostile/app'], { within: '.markdown' }) },
  { name: 'a label', see: showing(['/admin/labels']) },
  { name: 'a label on an image', see: showing([image, '/repositories/hostile/app'], { within: '.mantine-Badge-root' }) },
  { name: 'an annotation', see: showing([`${image}?view=annotations`], { within: '.facts' }) },
  { name: 'the document of an image', shown: inJson, see: showing([`${image}?view=json`], { shown: inJson, within: 'pre.json' }) },
  { name: 'a platform of an index', see: showing(['/repositories/hostile/app/-/tags/index'], { within: 'table' }) },
  { name: 'the command that made a layer', see: showing([image], { within: 'ol' }) },
  { name: 'a variable, a label and a port of an image', see: showing([`${image}?view=config`], { within: '.facts' }) },
  {
    name: 'the configuration of two images',
    see: showing(['/repositories/hostile/app/-/compare/plain/one?view=config'], { within: 'table' }),
  },
  {
    name: 'the name of a file of an image',
    shown: inOneName,
    see: showing([`${image}?view=files&path=/srv`], { shown: inOneName, within: 'table' }),
  },
  { name: 'what a link of an image leads to', see: showing([`${image}?view=files&path=/links`], { within: 'table' }) },
  {
    name: 'the name of a file of two images',
    shown: inOneName,
    see: showing(['/repositories/hostile/app/-/compare/plain/one?view=files'], { shown: inOneName, within: 'table' }),
  },
  { name: 'a file of an image', see: showing([`${image}?view=files&file=/doc/page.html`], { within: '.code-text' }) },
  {
    name: 'a file that is open by its name',
    shown: inOneName,
    see: showingEach(
      `${image}?view=files&path=/srv`,
      async (page, input) => {
        await page.keyboard.press('Escape')
        await page.getByRole('dialog').waitFor({ state: 'detached' })
        await page.getByRole('link', { name: inOneName(input), exact: true }).click()
        await page.getByRole('dialog').getByText(input.text, { exact: true }).waitFor()
      },
      { shown: inOneName, within: '.mantine-Drawer-title' },
    ),
  },
  {
    name: 'a README or a description of a Helm chart',
    see: showing(
      ['README.md', 'Chart.yaml'].map((name) => `/repositories/hostile/chart/-/tags/0.1.0?view=files&file=/app/${name}`),
      { within: '.code-text' },
    ),
  },
  { name: 'the name that somebody is shown by', see: showing(['/admin/users'], { within: 'table' }) },
  { name: 'the name of a group', see: showing(['/admin/groups', '/projects/hostile/-/members'], { within: 'table' }) },
  { name: 'a robot', see: showing(['/projects/hostile/-/robots']) },
  { name: 'a role', see: showing(['/admin/roles']) },
  { name: 'a rule', see: showing(['/projects/hostile/-/rules']) },
  { name: 'a token', see: showing(['/account'], { within: `section[aria-label="${en.tokens.title}"]` }) },
  {
    name: 'the browser of a session',
    shown: beginning,
    see: showing(['/account'], { shown: beginning, within: `section[aria-label="${en.account.sessions}"]` }),
  },
  { name: 'an identity provider', see: showing(['/admin/providers']) },
  {
    name: 'the sign-in page',
    see: once(() => signedOut.pages(['/login'], lastInput)),
  },
  {
    name: 'the banner',
    // For this place alone: every page has it.
    see: once(async () => {
      const setBanner = (banner: object | null) => stage.api('PATCH', '/system/settings', { banner })
      await setBanner({ text: texts.join(' '), level: 'info' })
      const step = { text: lastInput.text, within: '[role=alert]' }
      const seen = [await signedIn.pages(['/', '/admin/system'], step), await signedOut.pages(['/login'], step)]
      await setBanner(null)
      return { pages: seen.flatMap(({ pages }) => pages), faults: seen.flatMap(({ faults }) => faults) }
    }),
  },
  { name: 'the audit log', see: showing(['/admin/audit?q=group.created'], { within: 'table' }) },
  {
    name: 'a record of the audit log, with the browser that did it',
    shown: inJson,
    see: showingEach(
      '/admin/audit?q=session.opened',
      async (page, input) => {
        await page.keyboard.press('Escape')
        await page.getByRole('dialog').waitFor({ state: 'detached' })
        // The newest stands first, and is of the window that looks.
        await page
          .getByRole('button', { name: 'session.opened' })
          .nth(inputs.length - inputs.indexOf(input))
          .click()
      },
      { shown: inJson, within: '[role=dialog] pre' },
    ),
  },
  {
    name: 'what a search found',
    see: showingEach('/search', (page, { text }) => page.getByRole('combobox', { name: en.search.label }).fill(text), {
      within: '[role=option]',
    }),
  },
  {
    name: 'a search that found nothing',
    see: showingEach('/search', (page, { text }) => page.getByRole('combobox', { name: en.search.label }).fill(`nothing ${text}`), {
      within: '.palette-page p',
    }),
  },
  {
    name: 'an address that leads nowhere',
    shown: inOneName,
    see: showingEach(
      '/repositories/hostile/app/-/tags/nowhere',
      (page, { text }) =>
        goTo(page, `/repositories/hostile/app/-/tags/${encodeURIComponent(withoutSlashes(text))}?view=${encodeURIComponent(text)}`),
      { shown: inOneName, within: 'h1' },
    ),
  },
  {
    name: 'the name of a file that is dropped on the page',
    see: showingEach(
      '/repositories/hostile/app',
      async (page, { text }) => {
        await page.keyboard.press('Escape')
        await page.getByRole('dialog').waitFor({ state: 'detached' })
        await page.getByRole('button', { name: en.archive.start, exact: true }).waitFor()
        await dropFile(page, `new File(['x'], ${JSON.stringify(text)})`)
      },
      { within: '[role=dialog]' },
    ),
  },
]

for (const { name, shown = textOf, see } of places)
  suite(name, () => {
    for (const input of inputs) test(`shows ${input.name} as text`, async () => assertHarmless(await see(input), shown(input)))
  })

test('a role may be called as what every object has', async () => {
  const seen = await signedIn.pages(['/admin/roles'], { text: 'Whatever is meant', within: 'main' })
  assertHarmless(seen, 'Builds')
  assertHarmless(seen, 'Whatever is meant')
})

suite('the name of a tag', () => {
  const path = '/repositories/hostile/tags'
  const list = once(() => signedIn.pages([path], { text: oddTags.at(-1) ?? '' }))
  const opened = once(() =>
    signedIn.steps(
      path,
      oddTags.map((tag) => ({ text: `hostile/tags:${tag}`, act: (page) => goTo(page, `${path}/-/tags/${tag}`) })),
    ),
  )
  for (const [at, tag] of oddTags.entries())
    test(`may be ${tag}`, async () => {
      assertHarmless(await list(), tag)
      assertHarmless((await opened())[at] ?? { pages: [], faults: [] }, `hostile/tags:${tag}`)
    })

  for (const input of inputs)
    test(`may not be ${input.name}`, async () => {
      const { bytes } = await plainManifest()
      const headers = { 'content-type': mediaTypes.manifest }
      const path = `/v2/hostile/tags/manifests/${encodeURIComponent(input.text)}`
      const { status } = await stage.root.send(path, { method: 'PUT', body: bytes, headers })
      assert.ok(status === 400 || status === 404, `${status}`)
    })
})
