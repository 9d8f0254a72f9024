/** `npm run admin -- …`: makes and unmakes operators. The first one can be made no other way. */
import { grantAdmin } from '../identity/admin.ts';
import { runCommand } from './with-identity.ts';

const help = `npm run admin -- <command>
  grant <mail>    makes this account an operator
  revoke <mail>   takes that back`;

const [command, mail, ...rest] = process.argv.slice(2);
if ((command !== 'grant' && command !== 'revoke') || mail === undefined || rest.length > 0) {
  console.error(help);
  process.exitCode = 2;
} else {
  await runCommand(async ({ identity }) => {
    if (command === 'grant') {
      const { userId } = await grantAdmin(identity, mail);
      console.log(`${mail} is an operator now (user ${userId}).`);
      return;
    }
    const userId = await identity.admin.findUserId(mail);
    if (userId === undefined) throw new Error(`There is no account with the mail address ${mail}.`);
    await identity.admin.revokeRole(userId, 'admin');
    console.log(`${mail} is no operator any more.`);
  });
}
