import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exitStatusOf } from './exit-status.ts'
import { json, withAnswers, type Answer } from './test-answers.ts'
import { runVerb } from './test-verb.ts'

const label = (id: number, name: string, project?: string) => ({
  id,
  name,
  color: '#112233',
  description: '',
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  version: 1,
  ...(project !== undefined && { project }),
})

const manifest = 'team/app@sha256:ab'

/** Runs the verb against a server with these labels, and tells the last that was asked. */
async function lastAsked(args: readonly string[], labels: readonly object[]): Promise<string> {
  let last = ''
  const answer: Answer = ({ method = '', url = '' }, response) => {
    last = decodeURIComponent(`${method} ${url.replace('/api/v1', '')}`)
    if (method === 'PUT' || method === 'DELETE') response.writeHead(204).end()
    else if (/\/repositories\/[^/?]+$/.test(url)) json(response, { name: 'team/app', project: 'team' })
    else if (/\/labels\/\d+$/.test(url)) json(response, label(1, 'ok'))
    else if (/labels/.test(url)) json(response, { items: labels })
    else json(response, { items: [] })
  }
  await withAnswers(answer, async (url) => void (await runVerb([...args, '--server', url])))
  return last
}

test('a label is named by its name or its number', async () => {
  const labels = [label(6, 'ok'), label(8, 'okay')]
  assert.equal(await lastAsked(['label', 'show', 'ok'], labels), 'GET /labels/6')
  assert.equal(await lastAsked(['label', 'show', '8', '--project', 'team'], labels), 'GET /projects/team/labels/8')
  assert.equal(await lastAsked(['label', 'delete', 'ok', '-y'], labels), 'DELETE /labels/6')
  assert.equal(
    await lastAsked(['label', 'update', 'ok', '--color', '#000000', '--project', 'team'], labels),
    'PATCH /projects/team/labels/6',
  )
  await assert.rejects(lastAsked(['label', 'show', 'o'], labels), /there is no label o that is for all: --project names where it is/)
})

test('the number of a label that is not for all leads to its project', async () => {
  const answer: Answer = ({ url = '' }, response) =>
    /\/labels\/\d+$/.test(url)
      ? json(response, { status: 404, code: 'RESOURCE_UNKNOWN', title: 'no such thing', errors: [], facts: {} }, 404)
      : json(response, { items: [] })
  await withAnswers(answer, async (url) => {
    const error = await runVerb(['label', 'show', '1', '--server', url]).catch((reason: unknown) => reason)
    assert.match(String(error), /there is no label 1 that is for all: --project names where it is/)
    assert.equal(exitStatusOf(error), 4)
  })
})

test('a label is put on a manifest and taken off by name', async () => {
  const labels = [label(6, 'ok', 'team'), label(8, 'okay')]
  assert.equal(await lastAsked(['label', 'add', manifest, 'okay'], labels), 'PUT /repositories/team/app/manifests/sha256:ab/labels/8')
  assert.equal(await lastAsked(['label', 'remove', manifest, 'ok'], labels), 'DELETE /repositories/team/app/manifests/sha256:ab/labels/6')
  await assert.rejects(lastAsked(['label', 'add', manifest, 'bad'], labels), /there is no label bad for team\/app/)
  await assert.rejects(lastAsked(['label', 'remove', manifest, 'bad'], labels), /there is no label bad on this manifest/)
})

test('a name that several labels have asks for the number', async () => {
  const labels = [label(6, 'ok', 'team'), label(8, 'ok')]
  await assert.rejects(lastAsked(['label', 'add', manifest, 'ok'], labels), /by its number: 6 \(team\), 8 \(for all\)/)
})

test('tags and manifests are listed by a label’s name', async () => {
  assert.match(await lastAsked(['tag', 'list', 'team/app', '--label', 'ok'], [label(6, 'ok')]), /^GET .*\/tags\?label=6$/)
  assert.match(await lastAsked(['manifest', 'list', 'team/app', '--label', 'ok'], [label(6, 'ok')]), /^GET .*\/manifests\?label=6$/)
})

test('a label that is called by digits is meant by them, and not the one that has the number', async () => {
  const labels = [label(7, '3'), label(8, '30')]
  assert.equal(await lastAsked(['label', 'show', '3'], labels), 'GET /labels/7')
  assert.equal(await lastAsked(['label', 'show', '3', '--project', 'team'], labels), 'GET /projects/team/labels/7')
  assert.equal(await lastAsked(['label', 'update', '3', '--color', '#000000'], labels), 'PATCH /labels/7')
  assert.equal(await lastAsked(['label', 'delete', '3', '-y'], labels), 'DELETE /labels/7')
  assert.equal(await lastAsked(['label', 'add', manifest, '3'], labels), 'PUT /repositories/team/app/manifests/sha256:ab/labels/7')
  assert.equal(await lastAsked(['label', 'remove', manifest, '3'], labels), 'DELETE /repositories/team/app/manifests/sha256:ab/labels/7')
  assert.equal(await lastAsked(['label', 'add', manifest, '30'], labels), 'PUT /repositories/team/app/manifests/sha256:ab/labels/8')
  assert.equal(await lastAsked(['label', 'add', manifest, '9'], labels), 'PUT /repositories/team/app/manifests/sha256:ab/labels/9')
  await assert.rejects(lastAsked(['label', 'add', manifest, '3'], [label(7, '3', 'team'), label(8, '3')]), /by its number: 7 \(team\), 8/)
})

test('a label that is deleted is named by its name and its number', async () => {
  const answer: Answer = ({ method, url = '' }, response) => {
    if (method === 'DELETE') response.writeHead(204).end()
    else if (url.endsWith('/labels/3')) json(response, label(3, 'stable'))
    else json(response, { items: url.includes('name=4') ? [label(9, '4')] : [] })
  }
  await withAnswers(answer, async (url) => {
    const said = async (...args: string[]) => (await runVerb(['label', 'delete', ...args, '-y', '--server', url])).errors
    assert.deepEqual([await said('3'), await said('4')], [['deleted label stable (number 3)'], ['deleted label 4 (number 9)']])
    await assert.rejects(runVerb(['label', 'delete', '3', '--server', url]), /Delete label stable \(number 3\), and take it off/)
  })
})

test('who may not list labels names them by their numbers', async () => {
  const asked: string[] = []
  const answer: Answer = ({ method = '' }, response) => {
    asked.push(method)
    if (method === 'PUT') response.writeHead(204).end()
    else json(response, { status: 403, code: 'DENIED', title: 'no', requestId: 'r1', errors: [] }, 403)
  }
  await withAnswers(answer, async (url) => {
    await runVerb(['label', 'add', manifest, '3', '--server', url])
    assert.equal(asked.at(-1), 'PUT')
    await assert.rejects(runVerb(['label', 'add', manifest, 'three', '--server', url]))
    assert.notEqual(asked.at(-1), 'PUT')
  })
})
