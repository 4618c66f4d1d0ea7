import { Badge, Button, Group, Stack, Text, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import type { ResponseOf } from '#api/contract.ts'
import type { readAccount } from '#api/routes/users.ts'
import { change, query } from '../../api/client.ts'
import { readAccount as readRoute, updateAccount } from '../../api/routes.ts'
import { Panel, Waiting } from '../../parts/layout.tsx'
import { Problem, tell } from '../../parts/problem.tsx'
import { useTry } from '../../parts/use-try.ts'

/** Who one is here. */
export function Profile() {
  const { t } = useTranslation()
  const { data, error } = useQuery(query(readRoute))
  return (
    <Panel title={t('account.profile')}>
      {error !== null && <Problem error={error} />}
      {error === null && (data === undefined ? <Waiting rows={3} /> : <Form key={data.version} account={data} />)}
    </Panel>
  )
}

function Form({ account }: { readonly account: ResponseOf<typeof readAccount> }) {
  const { t } = useTranslation()
  const [displayName, setDisplayName] = useState(account.displayName)
  const [email, setEmail] = useState(account.email)
  const { error, isBusy, attempt } = useTry()
  const isOutside = account.providers.length > 0
  const save = async () => {
    await change(updateAccount, { body: { displayName, email }, ifMatch: account.version }, [readRoute])
    tell(t('common.saved'))
  }
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        attempt(save)
      }}
    >
      <Stack>
        <Group gap="xs">
          <Text fw={600} size="lg">
            {account.name}
          </Text>
          {account.isAdministrator && <Badge color="tide">{t('account.administrator')}</Badge>}
          {account.providers.map((provider) => (
            <Badge key={provider}>{provider}</Badge>
          ))}
        </Group>
        <TextInput
          label={t('account.displayName')}
          value={displayName}
          onChange={(event) => setDisplayName(event.currentTarget.value)}
          disabled={isOutside}
          autoComplete="name"
        />
        <TextInput
          label={t('account.email')}
          type="email"
          value={email}
          onChange={(event) => setEmail(event.currentTarget.value)}
          disabled={isOutside}
          autoComplete="email"
        />
        {error !== undefined && <Problem error={error} />}
        {!isOutside && (
          <Group>
            <Button type="submit" loading={isBusy} disabled={displayName === account.displayName && email === account.email}>
              {t('common.save')}
            </Button>
          </Group>
        )}
      </Stack>
    </form>
  )
}
