import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from './suggest.ts'

test('the nearest name is suggested when it is near', () => {
  const names = ['enabled', 'rootdirectory', 'addr', 'age']
  assert.equal(nearest('enable', names), 'enabled')
  assert.equal(nearest('Enabled', names), 'enabled')
  assert.equal(nearest('root_directory', names), 'rootdirectory')
  assert.equal(nearest('adr', names), 'addr')
  assert.equal(nearest('tsl', ['tls', 'net']), 'tls')
  assert.equal(nearest('colour', names), undefined)
  assert.equal(nearest('', names), undefined)
  assert.equal(nearest('x'.repeat(10_000), names), undefined)
})
