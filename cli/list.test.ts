import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, suite, test } from 'node:test'
import { printTable } from './print.ts'
import { json, withAnswers } from './test-answers.ts'
import { launcher, runProcess } from './test-process.ts'
import { runVerb } from './test-verb.ts'

const cwd = await mkdtemp(join(tmpdir(), 'berth-list-'))
after(() => rm(cwd, { recursive: true }))

const instant = '2026-01-01T00:00:00.000Z'
const tag = (index: number) => ({
  name: `t${String(index).padStart(7, '0')}`,
  digest: `sha256:${index}`,
  updatedAt: instant,
  totalSizeBytes: 1,
  totalSizeIsExact: true,
  labels: [],
})

/** Answers every request with a page of 1000 tags, `pages` of them. */
function pagesOfTags(pages: number, onPage: (page: number) => void = () => undefined): Parameters<typeof withAnswers>[0] {
  return ({ url = '' }, response) => {
    const page = Number(new URL(url, 'http://x').searchParams.get('cursor') ?? 0)
    onPage(page)
    const items = Array.from({ length: 1_000 }, (_, index) => tag(page * 1_000 + index))
    json(response, { items, ...(page + 1 < pages && { next: String(page + 1) }) })
  }
}

function startVerb(args: readonly string[]) {
  const { PATH = '', HOME = '' } = process.env
  return spawn(process.execPath, [launcher, ...args], {
    cwd,
    env: { PATH, HOME, XDG_CONFIG_HOME: cwd },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

suite('a long list', () => {
  for (const more of [[], ['--json']]) {
    test(`reaches a slow reader to its last byte${more.length === 0 ? '' : ' as JSON'}`, () =>
      withAnswers(pagesOfTags(8), async (url) => {
        const child = startVerb(['tag', 'list', 'team/app', '--all', ...more, '--server', url])
        const closed = once(child, 'close')
        await sleep(1_500)
        let text = ''
        for await (const chunk of child.stdout.setEncoding('utf8')) text += chunk as string
        assert.equal((await closed)[0], 0)
        if (more.length === 0) assert.equal(text.trimEnd().split('\n').length, 8_001)
        else assert.equal(text, `${JSON.stringify({ items: Array.from({ length: 8_000 }, (_, index) => tag(index)) }, undefined, 2)}\n`)
      }))
  }

  test('is asked for no faster than it is read, and ends quietly when the reader has enough', async () => {
    let last = 0
    await withAnswers(
      pagesOfTags(10_000, (page) => (last = page)),
      async (url) => {
        const child = startVerb(['tag', 'list', 'team/app', '--all', '--server', url])
        let errors = ''
        child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
        const closed = once(child, 'close')
        await once(child.stdout, 'readable')
        await sleep(500)
        assert.ok(last < 20, `page ${last} was asked for while nobody read`)
        child.stdout.destroy()
        assert.deepEqual([(await closed)[0], errors], [0, ''])
        assert.ok(last < 20, `page ${last} was asked for after the reader had gone`)
      },
    )
  })

  test('that a full disk cuts off is a failure', () =>
    withAnswers(pagesOfTags(1), async (url) => {
      const { PATH = '', HOME = '' } = process.env
      const command = `exec "$0" "$@" > /dev/full`
      const child = spawn('/bin/sh', ['-c', command, process.execPath, launcher, 'tag', 'list', 'team/app', '--server', url], {
        cwd,
        env: { PATH, HOME, XDG_CONFIG_HOME: cwd },
        stdio: ['ignore', 'ignore', 'pipe'],
      })
      let errors = ''
      child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
      assert.equal((await once(child, 'close'))[0], 1)
      assert.match(errors, /the output cannot be written: .*ENOSPC/)
    }))

  test('that breaks off in the middle is a failure, with what came before it', () =>
    withAnswers(
      (request, response) => {
        if (request.url?.includes('cursor') !== true) json(response, { items: [tag(0)], next: 'c' })
        else json(response, { title: 'cannot now', status: 503, code: 'UNAVAILABLE', requestId: 'r' }, 503)
      },
      async (url) => {
        const { code, stdout, stderr } = await runProcess(['tag', 'list', 'team/app', '--all', '--server', url], {
          cwd,
          env: { XDG_CONFIG_HOME: cwd },
        })
        assert.equal(code, 6)
        assert.match(stdout, /t0000000/)
        assert.match(stderr, /cannot now \(UNAVAILABLE, request r\)/)
      },
    ))
})

test('a list without items is JSON all the same', () =>
  withAnswers(
    (_request, response) => json(response, { items: [] }),
    async (url) => {
      const { lines } = await runVerb(['tag', 'list', 'a', '--json', '--server', url])
      assert.deepEqual(lines, ['{\n  "items": []\n}'])
    },
  ))

test('a page as JSON says where the next begins', () =>
  withAnswers(
    (_request, response) => json(response, { items: [tag(1)], next: 'c"' }),
    async (url) => {
      const { lines, errors } = await runVerb(['tag', 'list', 'a', '--json', '--server', url])
      assert.equal(lines.join('\n'), JSON.stringify({ items: [tag(1)], next: 'c"' }, undefined, 2))
      assert.deepEqual(errors, [])
    },
  ))

test('a table of 300,000 rows is printed, and later parts may be wider', (context) => {
  const lines: string[] = []
  const log = context.mock.method(console, 'log', (line: string) => void lines.push(line))
  const print = printTable(['A', 'B'])
  print([['x', 'y']])
  print(Array.from({ length: 300_000 }, () => ['longer', 'y']))
  log.mock.restore()
  assert.deepEqual([lines.length, ...lines.slice(0, 3)], [300_002, 'A  B', 'x  y', 'longer  y'])
})

test('a column that a list cannot be sorted by is refused with those that it can', async () => {
  const { code, stderr } = await runProcess(['tag', 'list', 'a', '--sort', 'size'], { cwd })
  assert.equal(code, 2)
  assert.match(stderr, /Allowed choices are name, -name, updatedAt, -updatedAt/)
})

test('uploads are listed with whether bytes of them come in right now', () =>
  withAnswers(
    (_request, response) => {
      const upload = { repository: 'team/app', actor: 'alice', offsetBytes: 2_048, startedAt: instant, updatedAt: instant }
      json(response, {
        items: [
          { ...upload, id: 'u1', isReceiving: true },
          { ...upload, id: 'u2', isReceiving: false },
        ],
      })
    },
    async (url) => {
      const { lines } = await runVerb(['upload', 'list', '--server', url])
      assert.match(lines[0] ?? '', /RECEIVED {2}RECEIVING {2}STARTED/)
      assert.match(lines[1] ?? '', /2\.0 KiB {3}yes/)
      assert.match(lines[2] ?? '', /2\.0 KiB {3}no/)
    },
  ))
