/**
 * How fast the portal is in a browser: a cold load of its first screens with a processor that is slowed down four times, and a list of 100,000 tags that is
 * scrolled. In Debian's Chromium, over its own protocol; server and browser share the machine.
 *
 * A page is interactive when its first content is there (the sign-in form; the cards of projects) and the main thread has had no task of more than 50 ms for
 * a second since: the time is that of the content, or of the end of the last such task, whichever is later.
 *
 * npm run bench:portal [-- --tags N] [-- --seconds N] [-- --profile FILE]
 */
import { writeFileSync } from 'node:fs'
import type { CDPSession, Page } from 'playwright-core'
import { sendRequest } from '../test/support/http-client.ts'
import { digestOfBytes, pushImage } from '../test/support/registry-client.ts'
import { openStage, openWindow, signIn, type Stage } from '../test/portal/stage.ts'
import { median } from './report.ts'

const slowdown = 4
const runs = 5
const tagsOfPush = 50
const repository = 'wide/service'

export interface PortalOptions {
  readonly tags: number
  /** How long each list is scrolled. */
  readonly seconds: number
  /** Where to write what Chromium's profiler saw of the last list, for its DevTools. */
  readonly profile?: string | undefined
}

/** Prints a table of loads and one of scrolling. */
export async function benchPortal(options: PortalOptions): Promise<void> {
  await using stage = await openStage()
  console.log(`pushing ${options.tags} tags, ${tagsOfPush} with each manifest`)
  await furnishWide(stage, options.tags)
  const loads = process.env['NOLOADS']
    ? []
    : ([
        ['sign in', await coldLoads(stage, '/login', 'input[autocomplete=current-password]', undefined)],
        ['projects, signed in', await coldLoads(stage, '/projects', '.project-card', 'admin')],
        ['100 of the tags, signed in', await coldLoads(stage, `/repositories/${repository}`, 'tr.row', 'admin')],
      ] as const)
  console.log(`\nCold load, processor slowed ${slowdown}×, no cache, ${runs} runs\n`)
  console.log('| page | first content | interactive | longest task | files | gzip |\n|---|---|---|---|---|---|')
  for (const [name, { contentMs, interactiveMs, longestMs, files, gzipBytes }] of loads)
    console.log(
      `| ${name} | ${ms(contentMs)} | **${ms(interactiveMs)}** | ${ms(longestMs)} | ${files} | ${Math.round(gzipBytes / 1000)} kB |`,
    )
  const scrolls = await scrollAll(stage, options)
  console.log(`\n${options.tags} tags scrolled by the wheel for ${options.seconds} s\n`)
  console.log(
    '| list | rows passed | long tasks | longest task | of which processor | processor in all | frames | dropped |\n|---|---|---|---|---|---|---|---|',
  )
  for (const [name, found] of scrolls)
    console.log(
      `| ${name} | ${found.rows} | **${found.longTasks}** | ${found.longestMs.toFixed(0)} ms | ${found.longestCpuMs.toFixed(0)} ms | ${Math.round(found.busy * 100)} % | ${found.frames} | ${found.dropped} |`,
    )
}

const ms = (values: readonly number[]) => `${Math.round(median(values))} ms (${values.map((value) => Math.round(value)).join(', ')})`

/** A dozen projects, and one repository with the tags: each manifest has as many as one request may name. */
async function furnishWide({ root, api }: Stage, tags: number): Promise<void> {
  const words = ['web', 'shop', 'data', 'build', 'base', 'edge', 'tools', 'mail', 'auth', 'maps', 'pay']
  for (const name of ['wide', ...words]) await api('POST', '/projects', { name, description: `What the **${name}** team ships` })
  for (const name of words) await pushImage(root, `${name}/app`, 'latest')
  const { bytes } = await pushImage(root, repository, undefined)
  const manifest = JSON.parse(bytes.toString()) as Record<string, unknown>
  const starts = Array.from({ length: Math.ceil(tags / tagsOfPush) }, (_, at) => at * tagsOfPush)
  const push = async () => {
    for (let from = starts.pop(); from !== undefined; from = starts.pop()) {
      const names = Array.from({ length: Math.min(tagsOfPush, tags - from) }, (_, at) => `build-${String(from + at).padStart(6, '0')}`)
      const query = names.map((name) => `tag=${name}`).join('&')
      // A manifest of its own for each: no row is like the next.
      const body = Buffer.from(JSON.stringify({ ...manifest, annotations: { build: String(from) } }))
      const answer = await root.send(`/v2/${repository}/manifests/${digestOfBytes(body)}?${query}`, {
        method: 'PUT',
        body,
        headers: { 'content-type': String(manifest['mediaType']) },
      })
      if (answer.status !== 201) throw new Error(`${answer.status} ${answer.body.toString()}`)
    }
  }
  await Promise.all(Array.from({ length: 8 }, push))
}

interface Loads {
  readonly contentMs: readonly number[]
  readonly interactiveMs: readonly number[]
  readonly longestMs: readonly number[]
  readonly files: number
  /** Of everything that was asked for, bodies alone. */
  readonly gzipBytes: number
}

/** Notes long tasks from the first moment of a document on. */
const noteLongTasks = `globalThis.longTasks = []
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) longTasks.push([startTime, duration])
}).observe({ type: 'longtask', buffered: true })`

/** Resolves with when the content was there, and with the long tasks, once none has been for a second. */
const whenQuiet = (selector: string) => `new Promise((resolve, reject) => {
  let contentMs
  const tick = () => {
    if (contentMs === undefined && document.querySelector(${JSON.stringify(selector)}) !== null) contentMs = performance.now()
    const last = longTasks.at(-1)
    const quietSince = Math.max(contentMs ?? Infinity, last === undefined ? 0 : last[0] + last[1])
    if (performance.now() - quietSince > 1000) resolve({ contentMs, longTasks })
    else if (performance.now() > 60_000) reject(new Error('the page does not come'))
    else requestAnimationFrame(tick)
  }
  tick()
})`

async function coldLoads(stage: Stage, path: string, selector: string, who: string | undefined): Promise<Loads> {
  const found: { contentMs: number; interactiveMs: number; longestMs: number }[] = []
  const asked = new Map<string, number>()
  for (let run = 0; run < runs; run++) {
    const context = await openWindow(stage)
    const page = await context.newPage()
    if (who !== undefined) await signIn(page, stage, who)
    const measured = await context.newPage()
    const session = await context.newCDPSession(measured)
    await session.send('Network.enable')
    await session.send('Network.setCacheDisabled', { cacheDisabled: true })
    await session.send('Emulation.setCPUThrottlingRate', { rate: slowdown })
    await measured.addInitScript(noteLongTasks)
    measured.on('response', (response) => asked.set(new URL(response.url()).pathname + new URL(response.url()).search, 0))
    await measured.goto(stage.berth.url + path, { waitUntil: 'commit' })
    const { contentMs, longTasks } = (await measured.evaluate(whenQuiet(selector))) as {
      contentMs: number
      longTasks: readonly (readonly [number, number])[]
    }
    const ends = longTasks.map(([start, duration]) => start + duration)
    found.push({
      contentMs,
      interactiveMs: Math.max(contentMs, ...ends),
      longestMs: Math.max(0, ...longTasks.map(([, duration]) => duration)),
    })
    await context.close()
  }
  const files = [...asked.keys()].filter((each) => !each.startsWith('/api/'))
  const sizes = await Promise.all(files.map(async (each) => await gzipSize(stage.berth.url + each)))
  return {
    contentMs: found.map((each) => each.contentMs),
    interactiveMs: found.map((each) => each.interactiveMs),
    longestMs: found.map((each) => each.longestMs),
    files: files.length,
    gzipBytes: sizes.reduce((sum, size) => sum + size, 0),
  }
}

async function gzipSize(url: string): Promise<number> {
  const { body } = await sendRequest(url, { headers: { accept: 'text/html, */*', 'accept-encoding': 'gzip' } })
  return body.length
}

interface Scrolled {
  readonly rows: number
  readonly longTasks: number
  /** Of any task, short ones too. */
  readonly longestMs: number
  /** The same in time of the processor: what else the machine does counts for nothing. */
  readonly longestCpuMs: number
  /** The part of the time in which the main thread worked. */
  readonly busy: number
  readonly frames: number
  readonly dropped: number
}

/** The list as it is read page by page, and when all of it has been read, at the end of what there is. */
async function scrollAll(stage: Stage, options: PortalOptions): Promise<(readonly [string, Scrolled])[]> {
  const context = await openWindow(stage)
  const page = await context.newPage()
  page.setDefaultTimeout(600_000)
  await page.addInitScript(noteLongTasks)
  await signIn(page, stage)
  await page.goto(`${stage.berth.url}/repositories/${repository}?sort=name`)
  await page.waitForSelector('tr.row')
  await page.waitForTimeout(1_000)
  const asRead = await scroll(page, { ...options, profile: undefined })
  await readToTheEnd(page, options.tags)
  await page.evaluate('scrollTo(0, 0)')
  await page.waitForTimeout(1_000)
  const whole = await scroll(page, { ...options, profile: undefined })
  const dragged = await scroll(page, { ...options, deltaY: 20_000 })
  await context.close()
  return [
    ['as its pages are read', asRead],
    ['all of it read', whole],
    ['all of it read, 400 rows at a time', dragged],
  ]
}

/** Goes to the end, again and again, until all rows are there. */
async function readToTheEnd(page: Page, tags: number): Promise<void> {
  const loop = `new Promise((resolve) => {
    const last = 'build-' + String(${tags} - 1).padStart(6, '0')
    const turn = () => {
      scrollTo(0, document.documentElement.scrollHeight)
      if ([...document.querySelectorAll('tr.row')].at(-1)?.textContent.includes(last)) resolve()
      else setTimeout(turn, 10)
    }
    turn()
  })`
  const began = performance.now()
  await page.evaluate(loop)
  console.log(`all ${tags} rows were read after ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

/** Counts frames, and those that came late by as many as they were late. */
const countFrames = `globalThis.frames_ = []
const frame = (at) => { frames_.push(at); globalThis.frameRequest = requestAnimationFrame(frame) }
globalThis.frameRequest = requestAnimationFrame(frame)
longTasks.length = 0`

async function scroll(page: Page, { seconds, profile, deltaY = 240 }: PortalOptions & { readonly deltaY?: number }): Promise<Scrolled> {
  const session = await page.context().newCDPSession(page)
  const tasks = await taskDurations(session)
  if (profile !== undefined) await startProfile(session)
  await page.evaluate(countFrames)
  const before = Number(await page.evaluate('scrollY'))
  await page.mouse.move(700, 500)
  const until = performance.now() + seconds * 1000
  let direction = 1
  while (performance.now() < until) {
    await page.mouse.wheel(0, direction * deltaY)
    await page.waitForTimeout(12)
    if (deltaY < 1000) continue
    const [at, most] = (await page.evaluate('[scrollY, document.documentElement.scrollHeight - innerHeight]')) as [number, number]
    if (at <= 0 || at >= most - 1) direction = at <= 0 ? 1 : -1
  }
  await page.waitForTimeout(100)
  const rows = Math.round(Math.abs(Number(await page.evaluate('scrollY')) - before) / 46)
  const { frames, longTasks } = (await page.evaluate(`(cancelAnimationFrame(frameRequest), { frames: frames_, longTasks })`)) as {
    frames: readonly number[]
    longTasks: readonly (readonly [number, number])[]
  }
  if (profile !== undefined) writeFileSync(profile, JSON.stringify(await stopProfile(session)))
  const durations = await tasks.stop()
  await session.detach()
  const gaps = frames.slice(1).map((at, index) => at - (frames[index] ?? at))
  return {
    rows,
    longTasks: longTasks.length,
    longestMs: durations.reduce((most, { ms: each }) => Math.max(most, each), 0),
    longestCpuMs: durations.reduce((most, { cpuMs }) => Math.max(most, cpuMs), 0),
    busy: durations.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / (seconds * 1000),
    frames: frames.length,
    dropped: gaps.reduce((sum, gap) => sum + Math.max(0, Math.round(gap / (1000 / 60)) - 1), 0),
  }
}

async function startProfile(session: CDPSession): Promise<void> {
  await session.send('Profiler.enable')
  await session.send('Profiler.setSamplingInterval', { interval: 200 })
  await session.send('Profiler.start')
}

async function stopProfile(session: CDPSession): Promise<unknown> {
  return (await session.send('Profiler.stop')).profile
}

interface TraceEvent {
  readonly name: string
  readonly ph: string
  readonly pid: number
  readonly tid: number
  /** In microseconds, by the clock and by the processor. */
  readonly dur?: number
  readonly tdur?: number
  readonly args?: { readonly name?: string }
}

interface Task {
  readonly ms: number
  readonly cpuMs: number
}

/** Begins to note how long each task of the page's main thread takes, in milliseconds. */
async function taskDurations(session: CDPSession): Promise<{ stop(): Promise<Task[]> }> {
  const events: TraceEvent[] = []
  session.on('Tracing.dataCollected', ({ value }) => events.push(...(value as unknown as TraceEvent[])))
  await session.send('Tracing.start', {
    transferMode: 'ReportEvents',
    traceConfig: {
      recordMode: 'recordUntilFull',
      includedCategories: ['disabled-by-default-devtools.timeline'],
      excludedCategories: ['*'],
    },
  })
  return {
    async stop() {
      const complete = new Promise<void>((resolve) => session.once('Tracing.tracingComplete', () => resolve()))
      await session.send('Tracing.end')
      await complete
      const mains = new Set(
        events.filter(({ name, args }) => name === 'thread_name' && args?.name === 'CrRendererMain').map(({ pid, tid }) => `${pid} ${tid}`),
      )
      return events
        .filter(({ name, pid, tid }) => name === 'RunTask' && mains.has(`${pid} ${tid}`))
        .map(({ dur = 0, tdur = 0 }) => ({ ms: dur / 1000, cpuMs: tdur / 1000 }))
    },
  }
}
