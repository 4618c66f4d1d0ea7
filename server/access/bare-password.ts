/** Accounts with a second factor, and programs that know only the password. */
import { RegistryError } from '#oci/errors.ts'

/** For whoever runs `docker login`: the password was right, and opens nothing by itself. Said only after it was found right. */
export function bareRefusal(): RegistryError {
  return new RegistryError('UNAUTHORIZED', undefined, {
    message: 'this account has a second factor, so its password alone opens nothing here: use a personal access token as the password',
  })
}
