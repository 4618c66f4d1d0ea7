import assert from 'node:assert/strict'
import { test } from 'node:test'
import { methodsByPath } from './allowed-methods.ts'

test('a path takes the methods of all routes that it fits, and what fits none takes nothing', () => {
  const methodsOf = methodsByPath([
    { method: 'GET', path: '/things' },
    { method: 'POST', path: '/things' },
    { method: 'DELETE', path: '/things/{thing}' },
    { method: 'GET', path: '/things/all' },
  ])
  assert.deepEqual(methodsOf('/things'), ['GET', 'HEAD', 'POST'])
  assert.deepEqual(methodsOf('/things/a%2Fb'), ['DELETE'])
  assert.deepEqual(methodsOf('/things/all'), ['DELETE', 'GET', 'HEAD'])
  for (const path of ['', '/', '/things/', '/thing', '/things/a/b', '//things']) assert.deepEqual(methodsOf(path), [], path)
})
