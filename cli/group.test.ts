import assert from 'node:assert/strict'
import { test } from 'node:test'
import { json, withAnswers, type Answer } from './test-answers.ts'
import { runVerb } from './test-verb.ts'

const group = (id: number, name: string, provider: string | null) => ({
  id,
  name,
  description: '',
  provider,
  externalName: provider === null ? null : name,
  createdAt: '2026-01-01T00:00:00.000Z',
  updatedAt: '2026-01-01T00:00:00.000Z',
  version: 1,
})
const groups = [
  group(1, 'devs', 'corp'),
  group(2, 'devs (corp2)', 'corp2'),
  group(3, 'odevs', 'corp2'),
  group(4, 'own', null),
  group(5, 'a:b', null),
]

const answer: Answer = ({ url = '' }, response) => {
  const { pathname, searchParams } = new URL(url, 'http://x')
  if (pathname.endsWith('/members'))
    return json(response, {
      items: [
        {
          userId: Number(/\d+/.exec(pathname.slice(8))?.[0]),
          name: 'm',
          displayName: '',
          isDisabled: false,
          createdAt: '2026-01-01T00:00:00.000Z',
        },
      ],
    })
  const [name, provider] = [searchParams.get('name') ?? '', searchParams.get('provider') ?? undefined]
  const found = groups.filter((each) => each.name.startsWith(name) && (provider === undefined || (each.provider ?? 'local') === provider))
  json(response, { items: found.slice(0, 1) })
}

test('a group is named as grants show it, with its provider before it, and by its name alone', async () => {
  await withAnswers(answer, async (url) => {
    const idOf = async (text: string) => {
      const { lines } = await runVerb(['group', 'show', text, '--json', '--server', url])
      return (JSON.parse(lines.join('')) as { readonly id: number }).id
    }
    for (const [text, id] of [
      ['odevs', 3],
      ['corp2:odevs', 3],
      ['corp:devs', 1],
      ['corp2:devs', 2],
      ['corp2:devs (corp2)', 2],
      ['local:own', 4],
      ['a:b', 5],
    ] as const)
      assert.equal(await idOf(text), id, text)
    const { lines } = await runVerb(['group', 'members', 'corp2:odevs', '--json', '--server', url])
    assert.match(lines.join(''), /"userId": ?3/)
    for (const text of ['corp:odevs', 'corp3:odevs', 'local:devs', ':odevs', 'corp2:', 'corp2:od'])
      await assert.rejects(idOf(text), (error: Error) => error.message === `there is no group ${text}`, text)
  })
})
