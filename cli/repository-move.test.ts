import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, withAnswers, type Answer } from './test-answers.ts'
import { runVerb } from './test-verb.ts'

/** Runs the verb against a server with these projects, and tells what was asked. */
async function asked(args: readonly string[], projects: readonly string[]): Promise<readonly string[]> {
  const requests: string[] = []
  const answer: Answer = ({ method = '', url = '' }, response) => {
    requests.push(`${method} ${decodeURIComponent(url.replace('/api/v1', ''))}`)
    if (method === 'POST') return json(response, { repository: 'x', project: 'y' })
    const isThere = projects.includes(decodeURIComponent(url.split('/').at(-1) ?? ''))
    return isThere ? json(response, { name: 'y' }) : json(response, { code: 'RESOURCE_UNKNOWN', title: 'no', status: 404 }, 404)
  }
  await withAnswers(answer, async (url) => void (await runVerb(['repository', 'move', ...args, '--server', url])))
  return requests
}

const moved = ['POST /repositories/team/app/move']

test('a repository does not come into the default project by a mistyped name', async () => {
  await assert.rejects(asked(['team/app', 'typo/app'], ['team']), /typo is no project.*default project.*--yes/)
  await assert.rejects(asked(['team/app', 'typo/deep/app'], ['team']), /typo is no project/)
  for (const flag of ['-y', '--yes']) assert.deepEqual(await asked(['team/app', 'typo/app', flag], ['team']), moved)
})

test('a repository moves without a question where the project is there, where it was, or where none is named', async () => {
  assert.deepEqual(await asked(['team/app', 'crew/app'], ['crew']), ['GET /projects/crew', ...moved])
  assert.deepEqual(await asked(['team/app', 'crew/web/app'], ['crew']), ['GET /projects/crew/web', 'GET /projects/crew', ...moved])
  assert.deepEqual(await asked(['team/app', 'team/other'], []), moved)
  assert.deepEqual(await asked(['team/app', 'plain'], []), moved)
})
