import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RegistryError } from '#oci/errors.ts'
import { isUnreadable } from './storage-error.ts'

const systemError = (code: string) => Object.assign(new Error(`${code}: read`), { code, syscall: 'read' })

test('only what the medium does not give is unreadable, however it is wrapped', () => {
  for (const code of ['EIO', 'ENODATA', 'EBADMSG', 'EUCLEAN']) {
    assert.equal(isUnreadable(systemError(code)), true, code)
    assert.equal(isUnreadable(new RegistryError('UNAVAILABLE', undefined, { cause: systemError(code) })), true, code)
  }
  for (const code of ['ENOENT', 'EMFILE', 'ENOMEM', 'EACCES', 'ENOSPC', 'ESTALE'])
    assert.equal(isUnreadable(systemError(code)), false, code)
  for (const other of [new Error('EIO'), new RegistryError('UNAVAILABLE'), undefined, 'EIO']) assert.equal(isUnreadable(other), false)
})
