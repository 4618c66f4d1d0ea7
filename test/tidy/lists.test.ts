import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { TSchema } from 'typebox'
import { allRouteContracts } from '#api/routes/all.ts'

const membersOf = (schema: TSchema | undefined) => Object.keys((schema as { readonly properties?: object } | undefined)?.properties ?? {})

test('the guide to the API names each list that is not read page by page, and with what it can be asked', () => {
  const guide = readFileSync(new URL('../../docs/guides/api.md', import.meta.url), 'utf8')
  const section = /Short lists come whole[^]*?\n\n/.exec(guide)?.[0] ?? ''
  const [whole = '', partly = ''] = section.split(/(?<=trusts`)\. /)
  const pathsOf = (text: string) => [...text.matchAll(/`(\/[^`]+)`/g)].map(([, path = '']) => path).toSorted()
  const lists = allRouteContracts.filter(({ method, response }) => method === 'GET' && membersOf(response).includes('items'))
  const taking = (count: (of: readonly string[]) => boolean) =>
    lists
      .filter(({ query }) => count(membersOf(query).filter((name) => ['limit', 'sort', 'cursor'].includes(name))))
      .map(({ path }) => path)
      .toSorted()
  assert.ok(lists.length > 30)
  assert.deepEqual(
    pathsOf(whole),
    taking(({ length }) => length === 0),
  )
  assert.deepEqual(
    pathsOf(partly),
    taking(({ length }) => length === 1),
  )
  assert.deepEqual(
    taking(({ length }) => length === 2),
    [],
  )
})
