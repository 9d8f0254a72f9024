/** Whether a text is a UUID, where no schema has seen it: in addresses, in what is pasted, in what others say. */
const canonical = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const anyCase = new RegExp(canonical, 'i');

/** As this server writes one: in small letters. */
export const isUuid = (text: string): boolean => canonical.test(text);

/** As people and other programs may write one, too. */
export const isUuidInAnyCase = (text: string): boolean => anyCase.test(text);
