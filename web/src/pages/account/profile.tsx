import { Badge, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useTranslation } from 'react-i18next'
import type { ResponseOf } from '#api/contract.ts'
import type { readAccount } from '#api/routes/users.ts'
import { change, query } from '../../api/client.ts'
import { readAccount as readRoute, updateAccount } from '../../api/routes.ts'
import { Form, useDraft } from '../../parts/form.tsx'
import { Panel } from '../../parts/layout.tsx'
import { Loaded } from '../../parts/loaded.tsx'
import { tell } from '../../parts/problem.tsx'
import { Facts } from '../../parts/rows.tsx'

type Account = ResponseOf<typeof readAccount>

/** Who one is here. */
export function Profile() {
  const { t } = useTranslation()
  const account = useQuery(query(readRoute))
  return (
    <Panel title={t('account.profile')}>
      <Loaded of={account} rows={3}>
        {(data) => (
          <Stack>
            <Group gap="xs">
              <Text fw={600} size="lg">
                {data.name}
              </Text>
              {data.isAdministrator && <Badge color="tide">{t('account.administrator')}</Badge>}
              {data.providers.map((provider) => (
                <Badge key={provider}>{provider}</Badge>
              ))}
            </Group>
            {data.providers.length > 0 ? <Told account={data} /> : <ProfileForm key={data.version} account={data} />}
          </Stack>
        )}
      </Loaded>
    </Panel>
  )
}

/** A provider says it, so it is changed there. */
function Told({ account: { displayName, email } }: { readonly account: Account }) {
  const { t } = useTranslation()
  return (
    <Facts
      facts={[
        [t('account.displayName'), displayName || '–'],
        [t('account.email'), email || '–'],
      ]}
    />
  )
}

function ProfileForm({ account }: { readonly account: Account }) {
  const { t } = useTranslation()
  const { draft, text } = useDraft({ displayName: account.displayName, email: account.email })
  const save = async () => {
    await change(updateAccount, { body: draft, ifMatch: account.version }, [readRoute])
    tell(t('common.saved'))
  }
  return (
    <Form save={save} isDisabled={draft.displayName === account.displayName && draft.email === account.email}>
      <TextInput label={t('account.displayName')} {...text('displayName')} autoComplete="name" />
      <TextInput label={t('account.email')} type="email" {...text('email')} autoComplete="email" />
    </Form>
  )
}
