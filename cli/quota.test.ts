import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, withAnswers, type Answer } from './test-answers.ts'
import { runVerb, type Printed } from './test-verb.ts'

const counters = { bytes: 512, logicalBytes: 2048, blobs: 3, manifests: 2, tags: 4, repositories: 1 }
const quota = {
  project: 'team',
  bytesMax: 1024,
  repositoriesMax: null,
  tagsMax: 5,
  warnPercent: 80,
  used: counters,
  uploadingBytes: 2048,
  warnedAt: { bytes: '2026-01-02T00:00:00.000Z', repositories: null, tags: '2026-01-03T00:00:00.000Z' },
  updatedAt: '2026-01-01T00:00:00.000Z',
  version: 3,
}

const settings = {
  banner: null,
  isReadOnly: false,
  projectCreation: 'everyone',
  autoCreateProjects: false,
  networks: { allow: [], deny: [] },
  defaultQuota: { bytesMax: 1024 ** 3, repositoriesMax: null, tagsMax: null, warnPercent: 70 },
  rateLimits: { perAddress: null, perCredential: null },
  version: 3,
}

interface Asked extends Printed {
  readonly requests: readonly string[]
  readonly bodies: readonly unknown[]
}

/** Runs the verb against a server that has one quota. */
async function asked(...args: readonly string[]): Promise<Asked> {
  const requests: string[] = []
  const bodies: unknown[] = []
  const respond = async (request: Parameters<Answer>[0], response: Parameters<Answer>[1]) => {
    const { method = '', url = '', headers } = request
    requests.push(`${method} ${url.replace('/api/v1', '')}${headers['if-match'] === undefined ? '' : ` if ${headers['if-match']}`}`)
    const text = (await Array.fromAsync(request as AsyncIterable<Buffer>)).join('')
    if (text !== '') bodies.push(JSON.parse(text))
    response.setHeader('etag', '"3"')
    if (url.includes('/system/settings')) json(response, settings)
    else if (url.endsWith('/system/usage')) json(response, { ...counters, logicalBytes: 100, isExact: true })
    else if (url.endsWith('/usage')) json(response, { ...counters, isExact: false })
    else if (url.includes('/quotas')) json(response, { items: [quota] })
    else json(response, quota)
  }
  const answer: Answer = (request, response) => void respond(request, response)
  let printed: Printed = { lines: [], errors: [] }
  await withAnswers(answer, async (url) => void (printed = await runVerb([...args, '--server', url])))
  return { ...printed, requests, bodies }
}

test('a list shows of each limit how much is used', async () => {
  const { lines } = await asked('quota', 'list')
  assert.match(lines[1] ?? '', /^team +512 B of 1\.0 KiB \(50 %\) +1, no limit +4 of 5 \(80 %\) +bytes, tags$/)
})

test('a quota is shown with what is being uploaded, and of what people were warned', async () => {
  const { lines } = await asked('quota', 'show', 'team')
  assert.ok(
    lines.some((line) => /^Being uploaded: +2\.0 KiB/.test(line)),
    lines.join('\n'),
  )
  assert.ok(lines.some((line) => /^Warned: +bytes, tags$/.test(line)))
})

test('what is not named stays when limits are set, and the version that was read is asked for', async () => {
  const { requests, bodies } = await asked('quota', 'set', 'team', '--bytes', '10GiB', '--tags', 'none')
  assert.deepEqual(requests, ['GET /projects/team/quota', 'PUT /projects/team/quota if "3"'])
  assert.deepEqual(bodies, [{ bytesMax: 10 * 1024 ** 3, repositoriesMax: null, tagsMax: null, warnPercent: 80 }])
})

test('a change that changes nothing is refused before anything is asked', async () => {
  await assert.rejects(asked('quota', 'set', 'team'), /nothing is to change/)
})

test('limits go only after a question', async () => {
  await assert.rejects(asked('quota', 'remove', 'team'), /--yes/)
  assert.deepEqual((await asked('quota', 'remove', 'team', '--yes')).requests, ['DELETE /projects/team/quota'])
})

test('usage is that of a project, of a repository, or of everything', async () => {
  assert.deepEqual((await asked('usage')).requests, ['GET /system/usage'])
  assert.deepEqual((await asked('usage', 'team')).requests, ['GET /projects/team/usage'])
  const { requests, lines } = await asked('usage', 'team/app', '--repository')
  assert.deepEqual(requests, ['GET /repositories/team%2Fapp/usage'])
  assert.match(lines[0] ?? '', /512 B \(512\), or less: a recount is under way/)
  assert.match(lines[1] ?? '', / \(2048\)$/)
  assert.match((await asked('usage')).lines[1] ?? '', /100 B \(100\), less: not all that is there is named by a manifest$/)
})

test('the default limits of new projects are a setting', async () => {
  const defaultQuota = { bytesMax: 5 * 1024 ** 3, repositoriesMax: null, tagsMax: 100, warnPercent: 80 }
  const { bodies, lines } = await asked('system', 'set', 'default-quota', 'bytes=5GiB,tags=100')
  assert.deepEqual(bodies, [{ defaultQuota }])
  assert.ok(
    lines.some((line) => /^default-quota: +bytes=1GiB,warn=70$/.test(line)),
    lines.join('\n'),
  )
  assert.deepEqual((await asked('system', 'set', 'default-quota', 'none')).bodies, [{ defaultQuota: null }])
  for (const text of ['bytes', 'bytes=much', 'tags=-1', 'apples=3', ''])
    await assert.rejects(asked('system', 'set', 'default-quota', text), /a quota is none/)
})
